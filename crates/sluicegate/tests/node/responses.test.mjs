// OpenAI's official client for Node works unchanged with the Responses API, whoever serves it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  CITY,
  DEGREES,
  MODELS,
  RESULTS,
  RIVER,
  TEXT,
  THOUGHT,
  gathered,
  openai,
  user,
} from "./mesh.mjs";

const WEATHER = {
  type: "function",
  name: "weather",
  description: "The weather of a city",
  parameters: CITY,
  strict: true,
};
const River = z.object({ river: z.string(), length: z.number().int() });

// What speaks OpenAI's dialect is asked at the same path, which these two do not have.
const SERVED = ["o9", ...MODELS.filter((model) => !["gpt-5", "mistral-large"].includes(model))];

function whole(model, input, fields = {}) {
  return openai.responses.create({ model, input, ...fields });
}

/** The answer as the client's helper puts it together from a stream. */
function streamed(model, input, fields = {}) {
  return openai.responses.stream({ model, input, ...fields }).finalResponse();
}

const WAYS = { "as a whole": whole, "in a stream": streamed };

for (const model of SERVED) {
  describe(`responses of ${model}`, { concurrency: true }, () => {
    for (const [way, answer] of Object.entries(WAYS)) {
      test(`${model}: text, ${way}`, async () => {
        const response = await answer(model, "Name rivers.", { instructions: "Be brief." });
        assert.equal(response.object, "response");
        assert.equal(response.status, "completed");
        assert.equal(response.output_text, TEXT);
        const { input_tokens, output_tokens, total_tokens } = response.usage;
        assert.deepEqual([input_tokens, output_tokens, total_tokens], [21, 13, 34]);
      });

      test(`${model}: a loop with parallel calls, ${way}`, async () => {
        const input = [user("play parallel")];
        const first = await answer(model, input, { tools: [WEATHER] });
        const calls = first.output.filter((item) => item.type === "function_call");
        assert.deepEqual(
          calls.map((call) => JSON.parse(call.arguments).city),
          Object.keys(DEGREES),
        );
        // The client's helper parses arguments where it puts a stream together.
        input.push(...first.output.map(({ parsed_arguments, ...item }) => item));
        for (const call of calls) {
          const output = DEGREES[JSON.parse(call.arguments).city];
          input.push({ type: "function_call_output", call_id: call.call_id, output });
        }
        assert.equal((await answer(model, input, { tools: [WEATHER] })).output_text, RESULTS);
      });

      test(`${model}: an answer that is cut off, ${way}`, async () => {
        const response = await answer(model, "play length");
        assert.equal(response.status, "incomplete");
        assert.equal(response.incomplete_details.reason, "max_output_tokens");
      });

      test(`${model}: refused by the provider, ${way}`, async () => {
        await assert.rejects(answer(model, "play invalid"), (error) => {
          assert.ok(error instanceof OpenAI.BadRequestError, String(error));
          assert.ok(error.type && error.error.message);
          return true;
        });
      });

      test(`${model}: overloaded, ${way}`, async () => {
        await assert.rejects(answer(model, "play overloaded"), OpenAI.InternalServerError);
      });
    }

    test(`${model}: events of a stream`, async () => {
      const events = await gathered(await whole(model, "Name rivers.", { stream: true }));
      assert.deepEqual(
        events.map((event) => event.sequence_number),
        [...events.keys()],
      );
      assert.equal(events[0].type, "response.created");
      assert.equal(events.at(-1).type, "response.completed");
      const deltas = events.filter((event) => event.type === "response.output_text.delta");
      assert.ok(deltas.length > 3);
      assert.equal(deltas.map((event) => event.delta).join(""), TEXT);
    });

    test(`${model}: arguments as they come`, async () => {
      const fields = { model, input: "play parallel", tools: [WEATHER] };
      const stream = openai.responses.stream(fields);
      const deltas = new Map();
      stream.on("response.function_call_arguments.delta", ({ output_index, delta, snapshot }) => {
        const said = (deltas.get(output_index) ?? "") + delta;
        deltas.set(output_index, said);
        assert.equal(snapshot, said);
      });
      const { output } = await stream.finalResponse();
      const calls = output.filter((item) => item.type === "function_call");
      const said = calls.map((call) => call.arguments);
      assert.deepEqual([...deltas.values()], said);
      const cities = said.map((text) => JSON.parse(text).city);
      assert.deepEqual(cities, Object.keys(DEGREES));
    });

    test(`${model}: a call without arguments`, async () => {
      const tools = [{ type: "function", name: "now", parameters: null, strict: null }];
      for (const answer of Object.values(WAYS)) {
        const [call] = (await answer(model, "play no-arguments", { tools })).output;
        assert.deepEqual([call.name, JSON.parse(call.arguments)], ["now", {}]);
      }
    });

    test(`${model}: a structured answer`, async () => {
      const text = { format: zodTextFormat(River, "river") };
      const response = await openai.responses.parse({ model, input: "play json", text });
      assert.deepEqual(response.output_parsed, RIVER);
      assert.deepEqual((await streamed(model, "play json", { text })).output_parsed, RIVER);
    });

    for (const script of ["broken", "failing"]) {
      test(`${model}: a stream that is ${script}`, async () => {
        await assert.rejects(async () => {
          await gathered(await whole(model, `play ${script}`, { stream: true }));
        }, OpenAI.APIError);
        await assert.rejects(streamed(model, `play ${script}`), OpenAI.APIError);
      });
    }
  });
}

describe("thoughts", { concurrency: true }, () => {
  for (const model of ["o9", "claude", "gemini-3-pro"]) {
    for (const [way, answer] of Object.entries(WAYS)) {
      test(`of ${model} come back with their proof, ${way}`, async () => {
        const fields = {
          tools: [WEATHER],
          reasoning: { effort: "medium", summary: "auto" },
          include: ["reasoning.encrypted_content"],
          store: false,
        };
        const input = [user("play think-tool")];
        const first = await answer(model, input, fields);
        const thought = first.output.find((item) => item.type === "reasoning");
        assert.equal(thought.summary[0].text, THOUGHT);
        const call = first.output.find((item) => item.type === "function_call");
        input.push(...first.output.map(({ parsed_arguments, ...item }) => item));
        input.push({ type: "function_call_output", call_id: call.call_id, output: "cold" });
        assert.equal((await answer(model, input, fields)).output_text, "weather(Brăila)=cold");
      });
    }
  }
});

test("a backend without the API", async () => {
  await assert.rejects(whole("gpt-5", "Name rivers."), OpenAI.NotFoundError);
});
