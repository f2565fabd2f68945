// OpenAI's official client for Node works unchanged, whoever serves the model.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MODELS, TEXT, gathered, openai, user } from "./mesh.mjs";

for (const model of MODELS) {
  describe(`chat completions of ${model}`, { concurrency: true }, () => {
    test("an answer", async () => {
      const completion = await openai.chat.completions.create({
        model,
        messages: [{ role: "system", content: "Be brief." }, user("Name rivers.")],
      });
      const [choice] = completion.choices;
      assert.equal(completion.object, "chat.completion");
      assert.equal(choice.message.content, TEXT);
      assert.equal(choice.finish_reason, "stop");
    });

    test("a stream", async () => {
      const messages = [user("Name rivers.")];
      const stream = await openai.chat.completions.create({ model, messages, stream: true });
      const chunks = await gathered(stream);
      const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
      assert.equal(text, TEXT);
    });
  });
}
