"""A stand-in for the model servers that agent CLIs talk to, scripted by the test.

A test gives each conversation a name and its steps, and names it in the prompt: "#name ...". Which step is next is
counted in the conversation that the agent sends along, so an agent that was begun anew, or went on elsewhere, is
answered like the first; nothing is kept between requests but what was asked.

    model = Model()
    model.script("edit", [[text("I shall."), tool("Write", file_path="a", content="x")], [text("Done.")]])

Each step is a list of blocks, or a Fail. Protocols: one class with `paths`, `steps_before` and `answer`; Anthropic
Messages is below. Standard library only; 127.0.0.1 only.
"""
import http.server
import json
import re
import threading
import time


def text(words, pause_s=0):
    """Streamed word by word, with a pause after each."""
    return {"kind": "text", "text": words, "pause_s": pause_s}


def thought(words):
    return {"kind": "thought", "text": words}


def tool(name, call_id=None, **args):
    return {"kind": "tool", "name": name, "args": args, "id": call_id}


class Fail:
    """An answer that is none: an HTTP status, or a stream that is cut (status 0)."""

    def __init__(self, status, message="the stand-in fails"):
        self.status, self.message = status, message


NAME = re.compile(r"#([a-z][a-z0-9_]*)")


def words(block):
    return re.findall(r"\S+\s*|\s+", block["text"])


class Stream:
    """Server-sent events of one answer; raises when the client has left."""

    def __init__(self, handler):
        self.handler = handler
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()

    def send(self, data, event=None):
        head = "event: %s\n" % event if event else ""
        body = data if isinstance(data, str) else json.dumps(data)
        self.handler.wfile.write(("%sdata: %s\n\n" % (head, body)).encode())
        self.handler.wfile.flush()


class Messages:
    """Anthropic Messages."""
    paths = ("/v1/messages",)

    @staticmethod
    def texts(message):
        content = message["content"]
        if isinstance(content, str):
            return [content]
        return [b["text"] for b in content if b["type"] == "text"]

    def conversation(self, body):
        """(name, how many answers it had since it was named)"""
        name, count = None, 0
        for message in body["messages"]:
            if message["role"] == "assistant":
                count += 1
            elif message["role"] == "user":
                for words_ in self.texts(message):
                    found = None if words_.startswith("<system-reminder>") else NAME.search(words_)
                    if found:
                        name, count = found.group(1), 0
        return name, count

    def fail(self, fail):
        kind = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": kind.get(fail.status, "api_error"), "message": fail.message}}

    def other(self, handler, path):
        if path.endswith("/count_tokens"):
            return {"input_tokens": 42}
        return None

    def answer(self, stream, body, blocks, number):
        def send(kind, **data):
            stream.send(dict(data, type=kind), kind)
        usage = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3}
        send("message_start", message={"id": "msg_%06d" % number, "type": "message", "role": "assistant",
                                       "model": body["model"], "content": [], "stop_reason": None,
                                       "stop_sequence": None, "usage": usage})
        for index, block in enumerate(blocks):
            self.block(send, index, block, number)
        stop = "tool_use" if any(b["kind"] == "tool" for b in blocks) else "end_turn"
        send("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": 5})
        send("message_stop")

    def block(self, send, index, block, number):
        starts = {"text": {"type": "text", "text": ""}, "thought": {"type": "thinking", "thinking": "", "signature": ""},
                  "tool": {"type": "tool_use", "id": block.get("id") or "toolu_%06d%d" % (number, index),
                           "name": block.get("name"), "input": {}}}
        send("content_block_start", index=index, content_block=starts[block["kind"]])
        if block["kind"] == "tool":
            args = json.dumps(block["args"])
            for part in (args[:len(args) // 2], args[len(args) // 2:]):
                send("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": part})
        elif block["kind"] == "thought":
            for word in words(block):
                send("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": word})
            send("content_block_delta", index=index, delta={"type": "signature_delta", "signature": "c2ln"})
        else:
            for word in words(block):
                send("content_block_delta", index=index, delta={"type": "text_delta", "text": word})
                time.sleep(block["pause_s"])
        send("content_block_stop", index=index)


class Model:
    def __init__(self, protocols=(Messages,)):
        self.scripts, self.asked, self.lock = {}, [], threading.Lock()
        self.protocols = [p() for p in protocols]
        model = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_HEAD

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    model.serve(self, json.loads(raw or b"{}"))
                except (BrokenPipeError, ConnectionResetError):
                    pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def script(self, name, steps):
        self.scripts[name] = steps

    def requests(self, name):
        """The bodies of what was asked in that conversation."""
        with self.lock:
            return [body for asked, body in self.asked if asked == name]

    def reply(self, handler, status, data):
        raw = json.dumps(data).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def serve(self, handler, body):
        path = handler.path.split("?")[0]
        for protocol in self.protocols:
            if any(re.fullmatch(p, path) for p in protocol.paths):
                if "model" not in body:  # some name it in the path
                    body["model"] = path.split("/")[-1].split(":")[0]
                return self.step(handler, protocol, body)
            other = protocol.other(handler, path)
            if other is not None:
                return self.reply(handler, 200, other)
        return self.reply(handler, 404, {"error": {"message": "no such path: " + path}})

    def step(self, handler, protocol, body):
        name, count = protocol.conversation(body)
        with self.lock:
            self.asked.append((name, body))
            number = len(self.asked)
        steps = self.scripts.get(name, [])
        step = steps[count] if count < len(steps) else [text("There is nothing more to say.")]
        if isinstance(step, Fail) and step.status:
            return self.reply(handler, step.status, protocol.fail(step))
        stream = Stream(handler)
        if not isinstance(step, Fail):
            protocol.answer(stream, body, step, number)
        handler.close_connection = True
        return None
