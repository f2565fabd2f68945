// What the test of the Python suite tells that starts these, and what the simulated providers say.

import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";

function told(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: the Python suite starts these tests`);
  return value;
}

export const URL = told("SLUICEGATE_URL");
export const KEY = told("SLUICEGATE_KEY");

// One model of each dialect that providers speak, by the name that clients ask for.
export const MODELS = told("SLUICEGATE_MODELS").split(",");

// In base64; the Python suite looks for it in what providers get.
export const PICTURE = told("SLUICEGATE_PICTURE");

export const TEXT = "The Danube, the Dniester and the Dnieper. Și încă trei 🌊.";
export const THOUGHT = "Rivers of the Black Sea: which are the greatest?";
export const RIVER = { river: "Danube", length: 2850 };
export const DEGREES = { Brăila: "21 °C", Odesa: "18 °C" };
export const RESULTS = "weather(Brăila)=21 °C; weather(Odesa)=18 °C";
export const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

// Neither repeats a request, so that a test sees the first answer.
export const openai = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0 });
export const anthropic = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0 });

export const user = (content) => ({ role: "user", content });

/** All that a stream has. */
export async function gathered(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}
