/* Whatever an agent says, it is refused with a reason or becomes an event that a log takes, and the
 * answer is one line. */
#include <assert.h>
#include <string.h>

#include "event/event.h"
#include "worker/agent_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct buf *out)
{
	assert(!buf_failed(out) && out->len > 0);
	assert((size_t)((const char *)memchr(out->data, '\n', out->len) - out->data) ==
	       out->len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str line = { (const char *)data, size };
	const struct id id = { "01HF7YAT000000000000000000" };
	struct agent_request request;
	struct err err;
	struct buf out;
	struct str level;

	if (size > AGENT_LINE_MAX) {
		return 0;
	}
	buf_init(&out, (size_t)8 * EVENT_DATA_MAX);
	if (agent_request_parse(line, 1700000000000000, &request, &err) != ERR_OK) {
		assert(err.msg[0] != '\0');
		agent_answer_error(&out, err.msg);
		check_line(&out);
	} else {
		agent_request_event(&request, &id, 0, &out);
		assert(event_data_ok(buf_str(&out), &level));
		agent_request_fini(&request);
		agent_answer_approval(&out, line);
		check_line(&out);
	}
	buf_fini(&out);
	return 0;
}
