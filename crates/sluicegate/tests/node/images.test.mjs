// Pictures reach every model, whichever client sends them. Whether they do is looked at by the Python
// test that starts these, since the answers do not tell.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText } from "ai";
import { KEY, MODELS, PICTURE, TEXT, URL, anthropic, openai, user } from "./mesh.mjs";

const DATA_URL = `data:image/png;base64,${PICTURE}`;
const TOLD = "Look at it.";

// What speaks OpenAI's dialect is asked at the path of the Responses API, which these do not have.
const WITHOUT_RESPONSES = ["gpt-5", "mistral-large"];

/** An answer to a picture, by a provider of the AI SDK. */
async function answered(model) {
  const image = { type: "image", image: PICTURE, mediaType: "image/png" };
  const messages = [user([{ type: "text", text: TOLD }, image])];
  return (await generateText({ model, messages, maxRetries: 0 })).text;
}

const fields = { apiKey: KEY };
const ai = {
  openai: createOpenAI({ baseURL: `${URL}/v1`, ...fields }),
  anthropic: createAnthropic({ baseURL: `${URL}/v1`, ...fields }),
  google: createGoogleGenerativeAI({ baseURL: `${URL}/v1beta`, ...fields }),
};

const WAYS = {
  "chat completions": async (model) => {
    const image = { type: "image_url", image_url: { url: DATA_URL } };
    const messages = [user([{ type: "text", text: TOLD }, image])];
    const completion = await openai.chat.completions.create({ model, messages });
    return completion.choices[0].message.content;
  },
  responses: async (model) => {
    const image = { type: "input_image", image_url: DATA_URL, detail: "auto" };
    const input = [user([{ type: "input_text", text: TOLD }, image])];
    return (await openai.responses.create({ model, input })).output_text;
  },
  messages: async (model) => {
    const source = { type: "base64", media_type: "image/png", data: PICTURE };
    const messages = [
      user([
        { type: "image", source },
        { type: "text", text: TOLD },
      ]),
    ];
    const message = await anthropic.messages.create({ model, max_tokens: 100, messages });
    return message.content[0].text;
  },
  "the AI SDK's chat completions": (model) => answered(ai.openai.chat(model)),
  "the AI SDK's responses": (model) => answered(ai.openai.responses(model)),
  "the AI SDK's messages": (model) => answered(ai.anthropic(model)),
  "the AI SDK's content": (model) => answered(ai.google(model)),
};

for (const [way, answer] of Object.entries(WAYS)) {
  for (const model of MODELS) {
    const skip = way.endsWith("responses") && WITHOUT_RESPONSES.includes(model);
    test(`${model}: a picture, by ${way}`, { skip }, async () => {
      assert.equal(await answer(model), TEXT);
    });
  }
}
