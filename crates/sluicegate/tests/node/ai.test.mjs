// Vercel's AI SDK works unchanged, whoever serves the model.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { DEGREES, KEY, MODELS, RESULTS, RIVER, TEXT, THOUGHT, URL, gathered } from "./mesh.mjs";

// It would tell on the console what it leaves out of a request.
globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = createOpenAI({ baseURL: `${URL}/v1`, apiKey: KEY });
const anthropic = createAnthropic({ baseURL: `${URL}/v1`, apiKey: KEY });
const google = createGoogleGenerativeAI({ baseURL: `${URL}/v1beta`, apiKey: KEY });
const River = z.object({ river: z.string(), length: z.number().int() });

// What speaks OpenAI's dialect is asked at the path of the Responses API, which these do not have.
const WITHOUT_RESPONSES = ["gpt-5", "mistral-large"];
const RESPONSES = ["o9", ...MODELS.filter((model) => !WITHOUT_RESPONSES.includes(model))];

// Items are sent whole rather than by the names under which a server would have kept them.
const UNKEPT = { openai: { store: false } };
// A format is asked for as such rather than by a tool, since not every model can be told to call one.
const FORMAT = { anthropic: { structuredOutputMode: "outputFormat" } };

// What the requests of each API are told beside what all are.
const APIS = {
  "chat completions": { models: MODELS, of: (model) => openai.chat(model), providerOptions: {} },
  responses: { models: RESPONSES, of: (model) => openai.responses(model), providerOptions: UNKEPT },
  messages: { models: MODELS, of: (model) => anthropic(model), providerOptions: FORMAT },
  content: { models: MODELS, of: (model) => google(model), providerOptions: {} },
};

/** An answer as a whole. */
async function whole(model, prompt, fields = {}) {
  return generateText({ model, prompt, maxRetries: 0, ...fields });
}

const TOLD = ["text", "reasoningText", "usage", "totalUsage", "finishReason", "steps", "output"];

/** The same put together from a stream, or the error that the stream had. */
async function streamed(model, prompt, fields = {}) {
  let fault;
  const onError = ({ error }) => (fault = error);
  const result = streamText({ model, prompt, maxRetries: 0, onError, ...fields });
  const parts = await gathered(result.fullStream);
  if (fault !== undefined) throw fault;
  const told = { parts };
  for (const name of TOLD) told[name] = await result[name];
  return told;
}

const WAYS = { "as a whole": whole, "in a stream": streamed };

/** The weather as a tool that the client runs itself. */
function tools(asked) {
  const execute = async ({ city }) => {
    asked.push(city);
    return DEGREES[city];
  };
  const inputSchema = z.object({ city: z.string() });
  return { weather: tool({ description: "The weather of a city", inputSchema, execute }) };
}

const counted = ({ inputTokens, outputTokens, totalTokens }) => [
  inputTokens,
  outputTokens,
  totalTokens,
];

for (const [api, { models, of, providerOptions }] of Object.entries(APIS)) {
  for (const name of models) {
    describe(`${api} of ${name}`, { concurrency: true }, () => {
      const model = of(name);
      for (const [way, answer] of Object.entries(WAYS)) {
        test(`${api} of ${name}: text, ${way}`, async () => {
          const result = await answer(model, "Name rivers.", {
            providerOptions,
            system: "Be brief.",
          });
          assert.equal(result.text, TEXT);
          assert.equal(result.finishReason, "stop");
          assert.deepEqual(counted(result.usage), [21, 13, 34]);
        });

        for (const [script, told] of [
          ["parallel", RESULTS],
          ["tool", "weather(Brăila)=21 °C"],
        ]) {
          test(`${api} of ${name}: several steps with tools: ${script}, ${way}`, async () => {
            const asked = [];
            const fields = { providerOptions, tools: tools(asked), stopWhen: stepCountIs(3) };
            const result = await answer(model, `play ${script}`, fields);
            assert.equal(result.text, told);
            assert.deepEqual(asked, Object.keys(DEGREES).slice(0, asked.length));
            const reasons = result.steps.map((step) => step.finishReason);
            assert.deepEqual(reasons, ["tool-calls", "stop"]);
            assert.deepEqual(counted(result.totalUsage), [42, 26, 68]);
          });
        }

        test(`${api} of ${name}: a tool without arguments, ${way}`, async () => {
          const now = tool({ inputSchema: z.object({}), execute: async () => "noon" });
          const fields = { providerOptions, tools: { now }, stopWhen: stepCountIs(3) };
          assert.equal((await answer(model, "play no-arguments", fields)).text, "now()=noon");
        });

        test(`${api} of ${name}: an object, ${way}`, async () => {
          const output = Output.object({ schema: River });
          assert.deepEqual(
            (await answer(model, "play json", { providerOptions, output })).output,
            RIVER,
          );
        });

        test(`${api} of ${name}: an answer that is cut off, ${way}`, async () => {
          assert.equal((await answer(model, "play length")).finishReason, "length");
        });

        for (const [script, status] of [
          ["invalid", 400],
          ["overloaded", 503],
        ]) {
          test(`${api} of ${name}: ${script}, ${way}`, async () => {
            await assert.rejects(answer(model, `play ${script}`), (error) => {
              assert.ok(APICallError.isInstance(error), String(error));
              const known = status === 503 && api === "messages" ? [503, 529] : [status];
              assert.ok(known.includes(error.statusCode), error.statusCode);
              assert.equal(error.isRetryable, status === 503);
              assert.ok(error.data || name === "mistral-large", error.responseBody);
              return true;
            });
          });
        }
      }

      for (const script of ["broken", "failing"]) {
        test(`${api} of ${name}: a stream that is ${script}`, async () => {
          await assert.rejects(streamed(model, `play ${script}`), ({ message, isRetryable }) => {
            // Not every provider of the SDK makes an exception of it.
            assert.match(message, script === "broken" ? /broke off/ : /\w/);
            assert.ok(api !== "responses" || isRetryable, message);
            return true;
          });
        });
      }
    });
  }
}

describe("thoughts", { concurrency: true }, () => {
  const messages = { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } };
  const responses = {
    openai: { reasoningSummary: "auto", reasoningEffort: "medium", store: false },
  };
  responses.openai.include = ["reasoning.encrypted_content"];
  responses.openai.forceReasoning = true;
  const content = { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } };
  const asks = [
    ["messages", "claude", anthropic("claude"), messages],
    ["messages", "gemini-3-pro", anthropic("gemini-3-pro"), messages],
    ["responses", "claude", openai.responses("claude"), responses],
    ["responses", "gemini-3-pro", openai.responses("gemini-3-pro"), responses],
    ["responses", "o9", openai.responses("o9"), responses],
    ["content", "claude", google("claude"), content],
    ["content", "gemini-3-pro", google("gemini-3-pro"), content],
  ];
  for (const [api, name, model, providerOptions] of asks) {
    for (const [way, answer] of Object.entries(WAYS)) {
      test(`${api} of ${name}: thoughts and a tool, ${way}`, async () => {
        const fields = { tools: tools([]), stopWhen: stepCountIs(3), providerOptions };
        const result = await answer(model, "play think-tool", fields);
        assert.equal(result.steps[0].reasoningText, THOUGHT);
        assert.equal(result.text, "weather(Brăila)=21 °C");
      });
    }
  }
});

test("items that a server would have kept", async () => {
  const fields = { tools: tools([]), stopWhen: stepCountIs(3) };
  await assert.rejects(whole(openai.responses("claude"), "play tool", fields), (error) => {
    assert.ok(APICallError.isInstance(error) && error.statusCode === 400);
    assert.match(error.message, /item_reference/);
    return true;
  });
});

test("embeddings", async () => {
  for (const name of ["mistral-large", "gemini-embedding-001", "nomic-embed-text", "embed-v4"]) {
    for (const client of [openai, google]) {
      const fields = { model: client.embedding(name), values: ["a river", "sea"], maxRetries: 0 };
      const { embeddings } = await embedMany(fields);
      assert.equal(embeddings.length, 2);
      assert.ok(
        embeddings.every((vector) => vector.length > 1),
        name,
      );
    }
  }
});

test("an unknown model", async () => {
  const clients = [openai.chat, openai.responses, anthropic, google];
  for (const model of clients.map((client) => client("nobody"))) {
    await assert.rejects(whole(model, "Name rivers."), (error) => {
      assert.ok(APICallError.isInstance(error) && error.statusCode === 404, String(error));
      return true;
    });
  }
});
