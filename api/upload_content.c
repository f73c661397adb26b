/*
 * GET /api/v1/uploads/{id}/content: part by part from the store to the socket, so that a slow
 * client costs one part.  What strangers uploaded is never shown in this origin: it is an
 * attachment, of the type it was checked to be, and nothing in it may run.
 */
#include <stdlib.h>

#include "api/answer.h"
#include "api/app.h"
#include "api/handlers.h"
#include "api/upload.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/fiber.h"

struct download {
	struct node *node;
	char tenant[AUTH_TENANT_MAX + 1];
	struct id content;
	uint64_t left;
	struct http_conn *conn; /* NULL: not open yet, or closed */
	struct fiber *fiber;    /* while it is copied */
	struct fiber_signal room;
};

/* False: the client is gone. */
static bool send_part(struct download *d, struct str part)
{
	while (part.n > 0) {
		struct iovec iov = { (void *)(uintptr_t)part.p, part.n };
		ssize_t n = d->conn != NULL ? http_conn_writev(d->conn, &iov, 1) : -1;

		if (n < 0) {
			return false;
		}
		part.p += n;
		part.n -= (size_t)n;
		if (part.n > 0 && fiber_signal_wait(&d->room, FIBER_NO_TIMEOUT) != ERR_OK) {
			return false;
		}
	}
	return true;
}

static void copy(void *arg)
{
	struct download *d = arg;
	struct buf part;
	struct err err;

	buf_init(&part, UPLOAD_CHUNK);
	for (unsigned n = 0; d->left > 0; n++) {
		if (upload_chunk(d->node->pg, d->tenant, &d->content, n, &part, &err) != ERR_OK) {
			/* Its length was told: the client sees that it is cut. */
			log_info("upload.cut", "content=%s %s", d->content.s, err.msg);
			break;
		}
		d->left -= part.len < d->left ? part.len : d->left;
		if (!send_part(d, buf_str(&part))) {
			break;
		}
	}
	buf_fini(&part);
	d->fiber = NULL;
	if (d->conn != NULL) {
		http_conn_end(d->conn);
	} else {
		free(d);
	}
}

static void opened(void *stream, struct http_conn *conn)
{
	struct download *d = stream;

	d->conn = conn;
	d->fiber = fiber_start(d->node->loop, &d->node->duties, "download", copy, d);
}

static void writable(void *stream)
{
	struct download *d = stream;

	fiber_signal_raise(&d->room);
}

static void drain(void *stream)
{
	(void)stream; /* it ends by itself */
}

static void closed(void *stream)
{
	struct download *d = stream;

	d->conn = NULL;
	if (d->fiber != NULL) {
		fiber_cancel(d->fiber, ERR_CANCELLED);
	} else {
		free(d);
	}
}

static const struct http_stream_ops ops = {
	.opened = opened, .writable = writable, .drain = drain, .closed = closed
};

/* RFC 6266, RFC 8187 section 3.2. */
static void name_file(struct http_reply *reply, struct str name, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = arena_take(arena, name.n * 3 + 1), *end = text;

	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    c == '.' || c == '-' || c == '_') {
			*end++ = (char)c;
		} else {
			*end++ = '%';
			*end++ = digits[c >> 4];
			*end++ = digits[c & 15];
		}
	}
	*end = '\0';
	http_reply_header(reply, "Content-Disposition", "attachment; filename*=UTF-8''%s", text);
}

void serve_upload_content(struct http_request *req, struct http_reply *reply)
{
	struct upload upload;
	struct download *d;

	if (!upload_find(req, reply, &upload)) {
		return;
	}
	d = mem_calloc(1, sizeof(*d));
	d->node = node_of(req);
	(void)str_copy(d->tenant, sizeof(d->tenant), str_of(app_tenant(req)));
	d->content = upload.content;
	d->left = upload.size;
	fiber_signal_init(&d->room);
	reply->content_type = arena_strdup(req->arena, upload.media_type);
	http_reply_header(reply, "Content-Length", "%llu", (unsigned long long)upload.size);
	http_reply_header(reply, "Content-Security-Policy", "default-src 'none'; sandbox");
	http_reply_header(reply, "Cache-Control", "private, no-cache");
	name_file(reply, upload.name, req->arena);
	reply->stream_ops = &ops;
	reply->stream = d;
}
