/* The body of a request that its handler reads while it comes. */
#include <assert.h>

#include "http/conn.h"

enum { RAW_MAX = HTTP_BODY_AHEAD + 2 * HTTP_READ_SIZE }; /* with all that one read brings */

bool http_body_is_raw(const struct http_exchange *exchange)
{
	return (exchange->req.route->flags & HTTP_ROUTE_RAW) != 0;
}

void http_body_begin(struct http_exchange *exchange, bool continue_due)
{
	exchange->raw = true;
	exchange->continue_due = continue_due;
	exchange->body.cap = RAW_MAX;
	http_exchange_run(exchange);
}

static void begin_step(struct http_exchange *exchange)
{
	exchange->stepped = 0;
	http_conn_deadline(exchange->conn, exchange->server->options.body_timeout_ms);
}

void http_body_add(struct http_exchange *exchange, struct str piece)
{
	buf_add_str(&exchange->body, piece);
	assert(!buf_failed(&exchange->body)); /* reading stops far below its cap */
	exchange->stepped += piece.n;
	if (exchange->body.len >= HTTP_BODY_AHEAD) {
		exchange->paused = true;
		http_conn_deadline(exchange->conn, 0);
		http_conn_listen(exchange->conn, LISTEN_NOT);
	} else if (exchange->stepped >= HTTP_BODY_STEP) {
		begin_step(exchange);
	}
	fiber_signal_raise(&exchange->more);
}

void http_body_end(struct http_exchange *exchange)
{
	exchange->whole = true;
	fiber_signal_raise(&exchange->more);
}

void http_body_break(struct http_exchange *exchange, enum err_code code, const char *why)
{
	exchange->broken = code;
	exchange->broken_why = why;
	exchange->conn->state = CONN_BUSY;
	exchange->conn->close = true;
	http_conn_deadline(exchange->conn, 0);
	fiber_signal_raise(&exchange->more);
}

/* The handler has taken what there was. */
static void resume(struct http_exchange *exchange)
{
	if (!exchange->paused || exchange->conn == NULL) {
		return;
	}
	exchange->paused = false;
	http_conn_listen(exchange->conn, LISTEN_READ);
	if (exchange->conn->state == CONN_READING) {
		begin_step(exchange);
	}
}

enum err_code http_body_read(struct http_request *req, struct str *ret, struct err *err)
{
	struct http_exchange *exchange = CONTAINER_OF(req, struct http_exchange, req);
	enum err_code code = ERR_OK;

	while (code == ERR_OK && exchange->raw && exchange->body.len == 0 && !exchange->whole) {
		if (exchange->broken != ERR_OK) {
			return err_set(err, exchange->broken, "%s",
			               exchange->broken_why != NULL ? exchange->broken_why
			                                            : err_text(exchange->broken));
		}
		if (exchange->continue_due && exchange->conn != NULL) {
			exchange->continue_due = false;
			http_conn_continue(exchange->conn);
		}
		code = fiber_signal_wait(&exchange->more, FIBER_NO_TIMEOUT);
	}
	if (code != ERR_OK) {
		return err_set(err, code, "the client has left");
	}
	buf_fini(&exchange->given);
	exchange->given = exchange->body;
	buf_init(&exchange->body, RAW_MAX);
	resume(exchange);
	*ret = exchange->given.len > 0 ? buf_str(&exchange->given) : STR_LIT("");
	return ERR_OK;
}

bool http_body_length(struct http_request *req, uint64_t *ret)
{
	const struct http_exchange *exchange = CONTAINER_OF(req, struct http_exchange, req);
	const struct http_head *head = &exchange->parser.head;

	*ret = head->content_length;
	return !head->chunked;
}
