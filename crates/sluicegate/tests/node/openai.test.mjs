// OpenAI's official client for Node works unchanged, whoever serves the model.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
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

const USAGE = { prompt: 21, completion: 13, total: 34 };
const WEATHER = {
  type: "function",
  function: { name: "weather", description: "The weather of a city", parameters: CITY },
};
const River = z.object({ river: z.string(), length: z.number().int() });

function whole(model, messages, fields = {}) {
  return openai.chat.completions.create({ model, messages, ...fields });
}

/** The answer as the client's helper puts it together from a stream. */
function streamed(model, messages, fields = {}) {
  const options = { stream_options: { include_usage: true } };
  const stream = openai.chat.completions.stream({ model, messages, ...options, ...fields });
  return stream.finalChatCompletion();
}

const WAYS = { "as a whole": whole, "in a stream": streamed };

/** The weather as a tool that the client runs itself. */
function runnable(asked) {
  const weather = ({ city }) => {
    asked.push(city);
    return DEGREES[city];
  };
  return {
    type: "function",
    function: { ...WEATHER.function, function: weather, parse: JSON.parse },
  };
}

const counted = ({ prompt_tokens, completion_tokens, total_tokens }) => ({
  prompt: prompt_tokens,
  completion: completion_tokens,
  total: total_tokens,
});

for (const model of MODELS) {
  describe(`chat completions of ${model}`, { concurrency: true }, () => {
    for (const [way, answer] of Object.entries(WAYS)) {
      test(`${model}: text, ${way}`, async () => {
        const messages = [{ role: "system", content: "Be brief." }, user("Name rivers.")];
        const completion = await answer(model, messages);
        const [choice] = completion.choices;
        assert.equal(completion.object, "chat.completion");
        assert.ok(completion.id && completion.model && completion.created > 1_700_000_000);
        assert.equal(completion.choices.length, 1);
        assert.equal(choice.message.role, "assistant");
        assert.equal(choice.message.content, TEXT);
        assert.equal(choice.message.refusal ?? null, null);
        assert.equal(choice.finish_reason, "stop");
        assert.deepEqual(counted(completion.usage), USAGE);
      });

      test(`${model}: parallel calls, ${way}`, async () => {
        const messages = [user("play parallel")];
        const [choice] = (await answer(model, messages, { tools: [WEATHER] })).choices;
        assert.equal(choice.finish_reason, "tool_calls");
        const calls = choice.message.tool_calls;
        assert.equal(new Set(calls.map((call) => call.id)).size, 2);
        const asked = calls.map((call) => [
          call.type,
          call.function.name,
          JSON.parse(call.function.arguments),
        ]);
        assert.deepEqual(
          asked,
          Object.keys(DEGREES).map((city) => ["function", "weather", { city }]),
        );
      });

      test(`${model}: a call with words before it, ${way}`, async () => {
        const [choice] = (await answer(model, [user("play tool")], { tools: [WEATHER] })).choices;
        assert.equal(choice.message.content, "I shall look.");
        assert.equal(choice.message.tool_calls.length, 1);
      });

      test(`${model}: refused by the provider, ${way}`, async () => {
        await assert.rejects(answer(model, [user("play invalid")]), (error) => {
          assert.ok(error instanceof OpenAI.BadRequestError, String(error));
          assert.equal(error.status, 400);
          assert.ok(error.requestID && error.message.length > 20, String(error));
          if (model !== "mistral-large") assert.ok(error.type && error.error.message);
          return true;
        });
      });

      // Ollama has no limits.
      test(`${model}: limited, ${way}`, { skip: model === "qwen" }, async () => {
        await assert.rejects(answer(model, [user("play limited")]), OpenAI.RateLimitError);
      });

      test(`${model}: overloaded, ${way}`, async () => {
        await assert.rejects(answer(model, [user("play overloaded")]), (error) => {
          assert.ok(
            error instanceof OpenAI.InternalServerError && error.status === 503,
            String(error),
          );
          return true;
        });
      });
    }

    test(`${model}: pieces of a stream`, async () => {
      const chunks = await gathered(await whole(model, [user("Name rivers.")], { stream: true }));
      assert.ok(chunks.every((chunk) => chunk.object === "chat.completion.chunk"));
      // None has nothing but usage, which nobody asked for; Mistral tells it with the end.
      assert.ok(chunks.every((chunk) => chunk.choices.length === 1));
      assert.ok(model === "mistral-large" || chunks.every((chunk) => !chunk.usage));
      const deltas = chunks.map((chunk) => chunk.choices[0].delta.content ?? "");
      assert.equal(deltas.join(""), TEXT);
      assert.ok(deltas.filter(Boolean).length > 3);
      assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
    });

    test(`${model}: usage of a stream comes last and once`, async () => {
      const fields = { stream: true, stream_options: { include_usage: true } };
      const chunks = await gathered(await whole(model, [user("Name rivers.")], fields));
      const used = chunks.filter((chunk) => chunk.usage);
      assert.equal(used.length, 1);
      assert.equal(used[0], chunks.at(-1));
      assert.deepEqual(counted(used[0].usage), USAGE);
    });

    test(`${model}: events of the stream's helper`, async () => {
      const fields = { model, messages: [user("Name rivers.")] };
      const stream = openai.chat.completions.stream(fields);
      let text = "";
      stream.on("content", (delta, snapshot) => {
        text += delta;
        assert.equal(snapshot, text);
      });
      assert.equal(await stream.finalContent(), TEXT);
      assert.equal(text, TEXT);
    });

    for (const stream of [false, true]) {
      for (const [script, told] of [
        ["parallel", RESULTS],
        ["tool", "weather(Brăila)=21 °C"],
      ]) {
        test(`${model}: the client's own loop: ${script}${stream ? ", in streams" : ""}`, async () => {
          const asked = [];
          const runner = openai.chat.completions.runTools({
            model,
            messages: [user(`play ${script}`)],
            tools: [runnable(asked)],
            stream,
          });
          assert.equal(await runner.finalContent(), told);
          assert.deepEqual(asked, Object.keys(DEGREES).slice(0, asked.length));
          const roles = runner.messages.map((message) => message.role);
          const results = asked.map(() => "tool");
          assert.deepEqual(roles, ["user", "assistant", ...results, "assistant"]);
        });
      }
    }

    test(`${model}: a structured answer`, async () => {
      const fields = { model, messages: [user("play json")] };
      fields.response_format = zodResponseFormat(River, "river");
      const completion = await openai.chat.completions.parse(fields);
      assert.deepEqual(completion.choices[0].message.parsed, RIVER);
      const stream = openai.chat.completions.stream(fields);
      assert.deepEqual((await stream.finalMessage()).parsed, RIVER);
    });

    test(`${model}: arguments that are parsed`, async () => {
      const tool = zodFunction({ name: "weather", parameters: z.object({ city: z.string() }) });
      const fields = { model, messages: [user("play parallel")], tools: [tool] };
      const completion = await openai.chat.completions.parse(fields);
      const calls = completion.choices[0].message.tool_calls;
      const parsed = calls.map((call) => call.function.parsed_arguments);
      assert.deepEqual(
        parsed,
        Object.keys(DEGREES).map((city) => ({ city })),
      );
    });

    // Mistral tells all calls in one piece, of which the client's helper announces the first alone.
    const isWhole = model === "mistral-large";
    test(`${model}: arguments as they come`, { skip: isWhole }, async () => {
      const fields = { model, messages: [user("play parallel")], tools: [WEATHER] };
      const stream = openai.chat.completions.stream(fields);
      const done = [];
      stream.on("tool_calls.function.arguments.done", (call) => done.push(call));
      await stream.done();
      const told = done.map((call) => [call.index, call.name, JSON.parse(call.arguments).city]);
      const expected = Object.keys(DEGREES).map((city, index) => [index, "weather", city]);
      assert.deepEqual(told, expected);
    });

    test(`${model}: a call without arguments`, async () => {
      const tools = [{ type: "function", function: { name: "now" } }];
      // Mistral takes no function that says nothing of its parameters, and gets what the client sends.
      if (model === "mistral-large") tools[0].function.parameters = { type: "object" };
      for (const answer of Object.values(WAYS)) {
        const { message } = (await answer(model, [user("play no-arguments")], { tools }))
          .choices[0];
        const { name, arguments: said } = message.tool_calls[0].function;
        assert.deepEqual([name, JSON.parse(said)], ["now", {}]);
      }
    });

    test(`${model}: an answer that is cut off`, async () => {
      const messages = [user("play length")];
      assert.equal((await whole(model, messages)).choices[0].finish_reason, "length");
      const fields = { response_format: zodResponseFormat(River, "river") };
      await assert.rejects(streamed(model, messages, fields), OpenAI.LengthFinishReasonError);
    });

    for (const script of ["broken", "failing"]) {
      test(`${model}: a stream that is ${script}`, async () => {
        const messages = [user(`play ${script}`)];
        let text = "";
        await assert.rejects(async () => {
          for await (const chunk of await whole(model, messages, { stream: true })) {
            text += chunk.choices[0].delta.content ?? "";
          }
        }, OpenAI.APIError);
        assert.ok(text && TEXT.startsWith(text));
        await assert.rejects(streamed(model, messages), OpenAI.APIError);
      });
    }
  });
}

describe("thoughts", { concurrency: true }, () => {
  for (const model of ["claude", "gemini-3-pro"]) {
    test(`of ${model} come back with their proof`, async () => {
      const fields = { tools: [WEATHER], reasoning_effort: "low" };
      const messages = [user("play think-tool")];
      const { message } = (await whole(model, messages, fields)).choices[0];
      assert.equal(message.reasoning_content, THOUGHT);
      messages.push(message);
      for (const call of message.tool_calls) {
        messages.push({ role: "tool", tool_call_id: call.id, content: "cold" });
      }
      const last = await whole(model, messages, fields);
      assert.equal(last.choices[0].message.content, "weather(Brăila)=cold");
    });

    test(`of ${model} in a stream`, async () => {
      const fields = { stream: true, reasoning_effort: "low" };
      const chunks = await gathered(await whole(model, [user("play think")], fields));
      const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
      assert.equal(deltas.map((delta) => delta.reasoning_content ?? "").join(""), THOUGHT);
      assert.equal(deltas.map((delta) => delta.content ?? "").join(""), TEXT);
    });
  }
});

// The first has to think, since only a budget can be told to it; the second chooses.
describe("thoughts that a client does not keep", { concurrency: true }, () => {
  for (const model of ["claude-opus-4-5", "claude", "gemini-3-pro"]) {
    for (const stream of [false, true]) {
      test(`of ${model} in the client's own loop${stream ? ", in streams" : ""}`, async () => {
        const runner = openai.chat.completions.runTools({
          model,
          messages: [user("play think-tool")],
          tools: [runnable([])],
          reasoning_effort: "low",
          stream,
        });
        assert.equal(await runner.finalContent(), "weather(Brăila)=21 °C");
      });
    }

    test(`of ${model}, of which the stream's helper keeps the last piece`, async () => {
      const fields = { tools: [WEATHER], reasoning_effort: "low" };
      const messages = [user("play think-tool")];
      const { message } = (await streamed(model, messages, fields)).choices[0];
      assert.ok(message.reasoning_details && message.reasoning_content.length < THOUGHT.length);
      const [call] = message.tool_calls;
      messages.push(message, { role: "tool", tool_call_id: call.id, content: "cold" });
      const last = await streamed(model, messages, fields);
      assert.equal(last.choices[0].message.content, "weather(Brăila)=cold");
    });
  }
});

test("an unknown model", async () => {
  await assert.rejects(whole("no-such-model", [user("Name rivers.")]), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
});

test("a list of models", async () => {
  const models = await gathered(openai.models.list());
  const names = models.map((model) => model.id);
  assert.ok(MODELS.every((model) => names.includes(model)));
});

test("embeddings", async () => {
  const input = ["a river", "sea"];
  for (const model of ["llama", "gemini-embedding-001", "nomic-embed-text", "embed-v4"]) {
    // The client asks for base64 unless told otherwise, and decodes it.
    const given = await openai.embeddings.create({ model, input });
    const floats = await openai.embeddings.create({ model, input, encoding_format: "float" });
    assert.deepEqual(
      given.data.map((item) => item.index),
      [0, 1],
    );
    for (const [at, { embedding }] of given.data.entries()) {
      assert.ok(embedding.length > 1, `${model}: ${embedding}`);
      const other = floats.data[at].embedding;
      assert.ok(embedding.every((value, index) => Math.abs(value - other[index]) < 1e-5));
    }
  }
});
