/* The stream of an agent's own server, bytes to bytes. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"
#include "worker/agent_wire.h"

/* What came out: "H<status>[e]" for the head, bytes as they are, "E" for the end, "B" for broken.
 */
static void run(struct str in, size_t step, struct buf *out)
{
	struct agent_wire wire;
	enum agent_wired is = AGENT_WIRED_MORE;
	struct str piece;

	agent_wire_init(&wire);
	while (in.n > 0 && is != AGENT_WIRED_END && is != AGENT_WIRED_BROKEN) {
		size_t n = in.n < step ? in.n : step;
		struct str now = { in.p, n };

		in = str_make(in.p + n, in.n - n);
		while (now.n > 0 && is != AGENT_WIRED_END && is != AGENT_WIRED_BROKEN) {
			is = agent_wire_take(&wire, &now, &piece);
			if (is == AGENT_WIRED_HEAD) {
				buf_addf(out, "H%u%s ", wire.status, wire.is_events ? "e" : "");
			} else if (is == AGENT_WIRED_BYTES) {
				buf_add_str(out, piece);
			}
		}
	}
	buf_add_cstr(out, is == AGENT_WIRED_END ? "E" : is == AGENT_WIRED_BROKEN ? "B" : "");
	agent_wire_fini(&wire);
}

static void assert_run(const char *in, const char *wanted)
{
	struct buf out;

	for (size_t step = 1; step <= strlen(in); step++) {
		buf_init(&out, (size_t)1 << 20);
		run(str_of(in), step, &out);
		assert_string_equal(buf_cstr(&out), wanted);
		buf_fini(&out);
	}
}

static void chunks_and_plain_bytes_are_the_same_however_they_were_split(void **state)
{
	(void)state;
	assert_run("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	           "Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n3;x=y\r\n 1\n\r\n0\r\n\r\n",
	           "H200e data: 1\nE");
	assert_run("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\ndata: "
	           "1\n\n",
	           "H200e data: 1\n\n");
	assert_run("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 Unauthorized\r\n\r\nno", "H401 no");
}

static void what_is_no_answer_is_broken(void **state)
{
	(void)state;
	assert_run("-ERR unknown command\r\n", "B");
	assert_run("HTTP/1.1 20x OK\r\n\r\n", "B");
	assert_run("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "H200 B");
	assert_run("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", "H200 aB");
}

static void a_head_without_end_is_given_up(void **state)
{
	static char text[AGENT_WIRE_HEAD_MAX * 2];
	struct buf out;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
		memcpy(text + i, "a\n", 2);
	}
	memcpy(text, "HTTP/1.1 200 Yes\r\n", 18);
	buf_init(&out, 1024);
	run(str_make(text, sizeof(text)), 1000, &out);
	assert_string_equal(buf_cstr(&out), "B");
	buf_fini(&out);
	memset(text + 18, 'a', sizeof(text) - 18);
	buf_init(&out, 1024);
	run(str_make(text, sizeof(text)), 1000, &out);
	assert_string_equal(buf_cstr(&out), "B");
	buf_fini(&out);
}

static void its_port_is_read_from_its_output(void **state)
{
	unsigned port = 0;

	(void)state;
	assert_true(agent_wire_port(STR_LIT("opencode server listening on http://127.0.0.1:4096"),
	                            &port));
	assert_int_equal(port, 4096);
	assert_true(agent_wire_port(STR_LIT("listening on http://127.0.0.1:1/x"), &port));
	assert_int_equal(port, 1);
	assert_false(agent_wire_port(STR_LIT("listening on http://127.0.0.1:"), &port));
	assert_false(agent_wire_port(STR_LIT("listening on http://127.0.0.1:0"), &port));
	assert_false(agent_wire_port(STR_LIT("listening on http://127.0.0.1:70000"), &port));
	assert_false(agent_wire_port(STR_LIT("listening on http://10.0.0.1:80"), &port));
	assert_false(agent_wire_port(STR_LIT(""), &port));
}

static void a_port_is_the_agents_only_if_its_user_listens_there(void **state)
{
	static const char table[] = "  sl  local_address rem_address   st tx_queue rx_queue tr "
				    "tm->when retrnsmt   uid  "
				    "timeout inode\n"
				    "   0: 0100007F:1000 00000000:0000 0A 00000000:00000000 "
				    "00:00000000 00000000  1000   "
				    "     0 1 1 0 100 0 0 10 0\n"
				    "   1: 0100007F:1001 0100007F:1000 01 00000000:00000000 "
				    "00:00000000 00000000  1000   "
				    "     0 1 1 0 100 0 0 10 0\n"
				    "   2: 0200007F:1002 00000000:0000 0A 00000000:00000000 "
				    "00:00000000 00000000  1000   "
				    "     0 1 1 0 100 0 0 10 0\n"
				    "   3: 00000000:1003 00000000:0000 0A 00000000:00000000 "
				    "00:00000000 00000000     0   "
				    "     0 1 1 0 100 0 0 10 0\n";

	(void)state;
	assert_true(agent_wire_listens(STR_LIT(table), 0x1000, 1000));
	assert_false(agent_wire_listens(STR_LIT(table), 0x1000, 0));
	assert_false(agent_wire_listens(STR_LIT(table), 0x1001, 1000));
	assert_false(agent_wire_listens(STR_LIT(table), 0x1002, 1000));
	assert_true(agent_wire_listens(STR_LIT(table), 0x1003, 0));
	assert_false(agent_wire_listens(STR_LIT(table), 0x1004, 0));
	assert_false(agent_wire_listens(STR_LIT(""), 0x1004, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_and_plain_bytes_are_the_same_however_they_were_split),
		cmocka_unit_test(what_is_no_answer_is_broken),
		cmocka_unit_test(a_head_without_end_is_given_up),
		cmocka_unit_test(its_port_is_read_from_its_output),
		cmocka_unit_test(a_port_is_the_agents_only_if_its_user_listens_there),
	};

	return cmocka_run_group_tests_name("agent_wire", tests, NULL, NULL);
}
