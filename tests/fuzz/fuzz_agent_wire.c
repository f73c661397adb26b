/* Any bytes for an agent's stream, whole and in pieces, come out the same. */
#include <assert.h>
#include <string.h>

#include "worker/agent_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum agent_wired run(struct str in, size_t step, struct buf *out)
{
	struct agent_wire wire;
	enum agent_wired is = AGENT_WIRED_MORE;
	struct str piece;

	agent_wire_init(&wire);
	while (in.n > 0 && is != AGENT_WIRED_END && is != AGENT_WIRED_BROKEN) {
		struct str now = { in.p, in.n < step ? in.n : step };

		in = str_make(in.p + now.n, in.n - now.n);
		while (now.n > 0 && is != AGENT_WIRED_END && is != AGENT_WIRED_BROKEN) {
			is = agent_wire_take(&wire, &now, &piece);
			if (is == AGENT_WIRED_BYTES) {
				buf_add_str(out, piece);
			}
		}
	}
	agent_wire_fini(&wire);
	return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size };
	struct buf whole, split;
	unsigned port;
	bool ended;

	buf_init(&whole, size + 1);
	buf_init(&split, size + 1);
	ended = run(in, size + 1, &whole) == AGENT_WIRED_END;
	assert((run(in, 1, &split) == AGENT_WIRED_END) == ended);
	assert(str_eq(buf_str(&whole), buf_str(&split)));
	(void)!agent_wire_listens(in, 4096, 0);
	if (agent_wire_port(in, &port)) {
		assert(port > 0 && port <= UINT16_MAX);
	}
	buf_fini(&whole);
	buf_fini(&split);
	return 0;
}
