//! LLM APIs as bytes: what a request asks for and what an answer reports.
