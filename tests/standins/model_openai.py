"""OpenAI's Responses (codex) and chat completions (opencode) for model.py: Model(protocols=(Responses, Completions))."""
import json
import time

from model import NAME, words

TITLE = "title"  # the conversation in which opencode asks what its session is about


class Responses:
    paths = ("/v1/responses",)

    def conversation(self, body):
        """(name, how many answers it had since it was named); one answer may be several items."""
        name, count, answering = None, 0, False
        for item in body.get("input", []):
            kind, role = item.get("type", "message"), item.get("role")
            if kind in ("function_call", "reasoning") or role == "assistant":
                count += not answering
                answering = True
                continue
            answering = False
            for part in item.get("content", []) if role == "user" else []:
                found = NAME.search(part.get("text") or "")
                if found and not part["text"].startswith("<"):
                    name, count = found.group(1), 0
        return name, count

    def fail(self, fail):
        return {"error": {"message": fail.message, "type": "stand_in", "code": str(fail.status)}}

    def other(self, handler, path):
        return None

    def answer(self, stream, body, blocks, number):
        def send(kind, **data):
            stream.send(dict(data, type=kind), kind)
        send("response.created", response={"id": "resp_%d" % number})
        for index, block in enumerate(blocks):
            self.block(send, index, block, number)
        usage = {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 5,
                 "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 15}
        send("response.completed", response={"id": "resp_%d" % number, "usage": usage})

    def block(self, send, index, block, number):
        item_id = "%s_%d_%d" % (block["kind"], number, index)
        if block["kind"] == "tool":
            send("response.output_item.done", output_index=index,
                 item={"type": "function_call", "id": item_id, "call_id": block.get("id") or "call_" + item_id,
                       "name": block["name"], "arguments": json.dumps(block["args"])})
        elif block["kind"] == "thought":
            summary = [{"type": "summary_text", "text": block["text"]}]
            item = {"type": "reasoning", "id": item_id, "summary": [], "content": None, "encrypted_content": "x"}
            send("response.output_item.added", output_index=index, item=item)
            send("response.reasoning_summary_part.added", item_id=item_id, output_index=index, summary_index=0,
                 part={"type": "summary_text", "text": ""})
            for word in words(block):
                send("response.reasoning_summary_text.delta", item_id=item_id, output_index=index, summary_index=0,
                     delta=word)
            send("response.output_item.done", output_index=index, item=dict(item, summary=summary))
        else:
            item = {"type": "message", "role": "assistant", "id": item_id, "content": []}
            send("response.output_item.added", output_index=index, item=item)
            for word in words(block):
                send("response.output_text.delta", item_id=item_id, output_index=index, content_index=0, delta=word)
                time.sleep(block["pause_s"])
            send("response.output_item.done", output_index=index,
                 item=dict(item, content=[{"type": "output_text", "text": block["text"]}]))


class Completions:
    paths = ("/v1/chat/completions",)

    @staticmethod
    def texts(message):
        content = message.get("content") or ""
        if isinstance(content, str):
            return [content]
        return [part.get("text") or "" for part in content]

    def conversation(self, body):
        """(name, how many answers it had since it was named)"""
        name, count = None, 0
        if not body.get("tools"):
            return TITLE, 0
        for message in body.get("messages", []):
            if message["role"] == "assistant":
                count += 1
            elif message["role"] == "user":
                for said in self.texts(message):
                    found = NAME.search(said)
                    if found:
                        name, count = found.group(1), 0
        return name, count

    def fail(self, fail):
        return {"error": {"message": fail.message}}

    def other(self, handler, path):
        return None

    def answer(self, stream, body, blocks, number):
        def send(delta, reason=None, **more):
            stream.send(dict({"id": "c%d" % number, "object": "chat.completion.chunk", "created": 1,
                              "model": body["model"],
                              "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}, **more))
        tools = 0
        for block in blocks:
            if block["kind"] == "tool":
                call = {"index": tools, "id": block.get("id") or "call_%d_%d" % (number, tools), "type": "function",
                        "function": {"name": block["name"], "arguments": ""}}
                args = json.dumps(block["args"])
                send({"role": "assistant", "content": None, "tool_calls": [call]})
                for part in (args[:len(args) // 2], args[len(args) // 2:]):
                    send({"tool_calls": [{"index": tools, "function": {"arguments": part}}]})
                tools += 1
            elif block["kind"] == "thought":
                send({"role": "assistant", "reasoning_content": block["text"]})
            else:
                for word in words(block):
                    send({"role": "assistant", "content": word})
                    time.sleep(block["pause_s"])
        send({}, "tool_calls" if tools else "stop",
             usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
        stream.send("[DONE]")
