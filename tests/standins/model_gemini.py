"""The Gemini API for model.py: Model(protocols=(Gemini,)); GOOGLE_GEMINI_BASE_URL is its url."""
import time

from model import NAME, words


class Gemini:
    paths = (r"/v1beta/models/[^/:]+:streamGenerateContent",)

    def conversation(self, body):
        """(name, how many answers it had since it was named)"""
        name, count = None, 0
        for content in body.get("contents", []):
            if content.get("role") == "model":
                count += 1
                continue
            for part in content.get("parts", []):
                said = part.get("text") or ""
                found = None if said.startswith("<session_context>") else NAME.search(said)
                if found:
                    name, count = found.group(1), 0
        return name, count

    def fail(self, fail):
        kind = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}
        return {"error": {"code": fail.status, "message": fail.message, "status": kind.get(fail.status, "INTERNAL")}}

    def other(self, handler, path):
        if path.endswith(":countTokens"):
            return {"totalTokens": 10}
        if path.endswith(":generateContent"):  # which model a prompt needs
            said = '{"complexity_reasoning":"none","complexity_score":1}'
            return {"candidates": [{"content": {"role": "model", "parts": [{"text": said}]}, "finishReason": "STOP",
                                    "index": 0}], "usageMetadata": self.usage()}
        return None

    @staticmethod
    def usage():
        return {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}

    def answer(self, stream, body, blocks, number):
        def send(parts, **more):
            stream.send({"candidates": [dict({"content": {"role": "model", "parts": parts}, "index": 0}, **more)],
                         "usageMetadata": self.usage(), "modelVersion": "stand-in", "responseId": "r%d" % number})
        for index, block in enumerate(blocks):
            if block["kind"] == "tool":
                send([{"functionCall": {"id": block.get("id") or "fc%d_%d" % (number, index), "name": block["name"],
                                        "args": block["args"]}}])
            elif block["kind"] == "thought":
                send([{"thought": True, "text": block["text"]}])
            else:
                for word in words(block):
                    send([{"text": word}])
                    time.sleep(block["pause_s"])
        send([{"text": ""}], finishReason="STOP")
