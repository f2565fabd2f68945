// Anthropic's official client for Node works unchanged, whoever serves the model.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import {
  CITY,
  DEGREES,
  MODELS,
  RESULTS,
  RIVER,
  TEXT,
  THOUGHT,
  anthropic,
  gathered,
  user,
} from "./mesh.mjs";

const WEATHER = { name: "weather", description: "The weather of a city", input_schema: CITY };
const THINKING = { type: "enabled", budget_tokens: 1024 };
const River = z.object({ river: z.string(), length: z.number().int() });

function whole(model, messages, fields = {}) {
  return anthropic.messages.create({ model, max_tokens: 2000, messages, ...fields });
}

/** The answer as the client's helper puts it together from a stream. */
function streamed(model, messages, fields = {}) {
  return anthropic.messages.stream({ model, max_tokens: 2000, messages, ...fields }).finalMessage();
}

const WAYS = { "as a whole": whole, "in a stream": streamed };

/** What the tools say to the calls of a message. */
function results(message) {
  const calls = message.content.filter((block) => block.type === "tool_use");
  const said = ({ id, input }) => ({
    type: "tool_result",
    tool_use_id: id,
    content: DEGREES[input.city],
  });
  return user(calls.map(said));
}

const textOf = (message) =>
  message.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");

for (const model of MODELS) {
  describe(`messages of ${model}`, { concurrency: true }, () => {
    for (const [way, answer] of Object.entries(WAYS)) {
      test(`${model}: text, ${way}`, async () => {
        const message = await answer(model, [user("Name rivers.")], { system: "Be brief." });
        assert.deepEqual([message.type, message.role], ["message", "assistant"]);
        assert.ok(message.id && message.model);
        assert.deepEqual(
          message.content.map((block) => block.type),
          ["text"],
        );
        assert.equal(textOf(message), TEXT);
        assert.equal(message.stop_reason, "end_turn");
        assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [21, 13]);
      });

      test(`${model}: a loop with parallel calls, ${way}`, async () => {
        const messages = [user("play parallel")];
        const first = await answer(model, messages, { tools: [WEATHER] });
        assert.equal(first.stop_reason, "tool_use");
        assert.deepEqual(
          first.content.map((block) => block.type),
          ["tool_use", "tool_use"],
        );
        assert.notEqual(first.content[0].id, first.content[1].id);
        const cities = first.content.map((block) => block.input);
        assert.deepEqual(
          cities,
          Object.keys(DEGREES).map((city) => ({ city })),
        );
        messages.push({ role: "assistant", content: first.content }, results(first));
        const second = await answer(model, messages, { tools: [WEATHER] });
        assert.equal(textOf(second), RESULTS);
        assert.equal(second.stop_reason, "end_turn");
      });

      test(`${model}: an answer that is cut off, ${way}`, async () => {
        assert.equal((await answer(model, [user("play length")])).stop_reason, "max_tokens");
      });

      test(`${model}: refused by the provider, ${way}`, async () => {
        await assert.rejects(answer(model, [user("play invalid")]), (error) => {
          assert.ok(error instanceof Anthropic.BadRequestError, String(error));
          assert.equal(error.type, "invalid_request_error");
          assert.ok(error.apiMessage && error.error.type === "error");
          return true;
        });
      });

      // Ollama has no limits.
      test(`${model}: limited, ${way}`, { skip: model === "qwen" }, async () => {
        await assert.rejects(answer(model, [user("play limited")]), (error) => {
          assert.ok(error instanceof Anthropic.RateLimitError, String(error));
          assert.equal(error.type, "rate_limit_error");
          return true;
        });
      });

      test(`${model}: overloaded, ${way}`, async () => {
        await assert.rejects(answer(model, [user("play overloaded")]), (error) => {
          assert.ok(error instanceof Anthropic.InternalServerError, String(error));
          assert.ok(error.type === "overloaded_error" && error.apiMessage, String(error));
          return true;
        });
      });
    }

    test(`${model}: events of a stream`, async () => {
      const fields = { tools: [WEATHER], stream: true };
      const events = await gathered(await whole(model, [user("play parallel")], fields));
      const kinds = events.map((event) => event.type).filter((kind) => kind !== "ping");
      const block = ["content_block_start", "content_block_delta", "content_block_stop"];
      const steps = kinds.filter((kind, at) => kind !== kinds[at - 1]);
      assert.deepEqual(steps, [
        "message_start",
        ...block,
        ...block,
        "message_delta",
        "message_stop",
      ]);
    });

    test(`${model}: events of the stream's helper`, async () => {
      const fields = { model, max_tokens: 100, messages: [user("Name rivers.")] };
      const stream = anthropic.messages.stream(fields);
      let text = "";
      stream.on("text", (delta, snapshot) => {
        text += delta;
        assert.equal(snapshot, text);
      });
      assert.equal(await stream.finalText(), TEXT);
      assert.equal(text, TEXT);
    });

    test(`${model}: arguments as they come`, async () => {
      const fields = {
        model,
        max_tokens: 100,
        messages: [user("play parallel")],
        tools: [WEATHER],
      };
      const stream = anthropic.messages.stream(fields);
      const blocks = [];
      let said = "";
      stream.on("inputJson", (piece) => (said += piece));
      stream.on("contentBlock", (block) => blocks.push(block.input.city));
      await stream.done();
      assert.deepEqual(blocks, Object.keys(DEGREES));
      const pieces = JSON.parse(`[${said.replace("}{", "},{")}]`);
      assert.deepEqual(
        pieces,
        blocks.map((city) => ({ city })),
      );
    });

    test(`${model}: a call without arguments`, async () => {
      const tools = [{ name: "now", input_schema: { type: "object" } }];
      for (const answer of Object.values(WAYS)) {
        const { content } = await answer(model, [user("play no-arguments")], { tools });
        assert.deepEqual([content[0].name, content[0].input], ["now", {}]);
      }
    });

    // It asks Anthropic to keep the conversation, which the simulated provider does not.
    for (const stream of model === "claude" ? [] : [false, true]) {
      test(`${model}: the client's own loop${stream ? ", in streams" : ""}`, async () => {
        const asked = [];
        const weather = betaZodTool({
          name: "weather",
          description: "The weather of a city",
          inputSchema: z.object({ city: z.string() }),
          run: ({ city }) => {
            asked.push(city);
            return DEGREES[city];
          },
        });
        const runner = anthropic.beta.messages.toolRunner({
          model,
          max_tokens: 1000,
          messages: [user("play parallel")],
          tools: [weather],
          stream,
        });
        assert.equal(textOf(await runner.runUntilDone()), RESULTS);
        assert.deepEqual(asked, Object.keys(DEGREES));
      });
    }

    test(`${model}: a structured answer`, async () => {
      const fields = { output_config: { format: zodOutputFormat(River) } };
      const params = { model, max_tokens: 1000, messages: [user("play json")], ...fields };
      assert.deepEqual((await anthropic.messages.parse(params)).parsed_output, RIVER);
      const stream = anthropic.messages.stream(params);
      assert.deepEqual((await stream.finalMessage()).parsed_output, RIVER);
    });

    for (const script of ["broken", "failing"]) {
      test(`${model}: a stream that is ${script}`, async () => {
        const messages = [user(`play ${script}`)];
        let text = "";
        await assert.rejects(async () => {
          for await (const event of await whole(model, messages, { stream: true })) {
            if (event.type === "content_block_delta") text += event.delta.text;
          }
        }, Anthropic.APIError);
        assert.ok(text && TEXT.startsWith(text));
        await assert.rejects(streamed(model, messages), Anthropic.APIError);
      });
    }
  });
}

describe("thoughts", { concurrency: true }, () => {
  for (const [way, answer] of Object.entries(WAYS)) {
    for (const model of ["claude", "gemini-3-pro", "qwen", "command-a"]) {
      test(`of ${model} are shown, ${way}`, async () => {
        const message = await answer(model, [user("play think")], { thinking: THINKING });
        const thoughts = message.content.filter((block) => block.type === "thinking");
        assert.equal(thoughts[0].thinking, THOUGHT);
        assert.equal(textOf(message), TEXT);
      });
    }

    for (const model of ["claude", "gemini-3-pro"]) {
      test(`of ${model} come back with their proof, ${way}`, async () => {
        const messages = [user("play think-tool")];
        const fields = { tools: [WEATHER], thinking: THINKING };
        const first = await answer(model, messages, fields);
        assert.equal(first.content[0].thinking, THOUGHT);
        messages.push({ role: "assistant", content: first.content }, results(first));
        assert.equal(textOf(await answer(model, messages, fields)), "weather(Brăila)=21 °C");
      });
    }
  }
});

test("cached tokens", async () => {
  for (const answer of Object.values(WAYS)) {
    for (const model of ["claude", "gpt-5", "nova"]) {
      const { usage } = await answer(model, [user("play cached")]);
      assert.deepEqual([usage.input_tokens, usage.cache_read_input_tokens], [21, 1000]);
    }
  }
});

test("tokens are counted", async () => {
  // Claude's are counted by Anthropic, whose simulation does not.
  for (const model of MODELS.filter((model) => model !== "claude")) {
    const fields = { model, messages: [user("Name five rivers of the Black Sea.")] };
    const few = (await anthropic.messages.countTokens(fields)).input_tokens;
    const more = (await anthropic.messages.countTokens({ ...fields, tools: [WEATHER] }))
      .input_tokens;
    assert.ok(few > 3 && few < more, `${model}: ${few}, ${more}`);
  }
});

test("an unknown model", async () => {
  await assert.rejects(whole("no-such-model", [user("Name rivers.")]), (error) => {
    assert.ok(error instanceof Anthropic.NotFoundError);
    assert.equal(error.type, "not_found_error");
    return true;
  });
});

test("a list of models", async () => {
  const names = (await gathered(anthropic.models.list())).map((model) => model.id);
  assert.ok(MODELS.every((model) => names.includes(model)));
});
