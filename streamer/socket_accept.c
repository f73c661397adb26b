/* The handshake of a WebSocket: what is agreed on, and what is refused. */
#include "auth/auth_bell.h"
#include "auth/auth_http.h"
#include "press/press.h"
#include "streamer/app.h"
#include "streamer/intake.h"
#include "streamer/socket.h"
#include "streamer/viewer.h"
#include "ws/handshake.h"

/* Messages are inflated without a context kept between them: an idle connection costs nothing. What
 * we send compressed was compressed for all, with a window of that size. */
static const struct ws_policy policy = {
	.protocols = (const char *const[]){ "fairlead", NULL },
	.deflate = { .enabled = true,
	             .server_bits = PRESS_BITS,
	             .client_bits = WS_BITS_MAX,
	             .client_no_takeover = true },
};

static void refuse(struct http_request *req, struct http_reply *reply,
                   const struct ws_handshake *shake)
{
	switch (shake->status) {
	case 405:
		http_problem(reply, req, ERR_METHOD, shake->reason);
		http_reply_header(reply, "Allow", "GET");
		break;
	case 426:
		http_problem(reply, req, ERR_UPGRADE, shake->reason);
		http_reply_header(reply, "Upgrade", "websocket");
		http_reply_header(reply, "Connection", "Upgrade");
		http_reply_header(reply, "Sec-WebSocket-Version", "13");
		break;
	default: http_problem(reply, req, ERR_INVALID, shake->reason); break;
	}
}

static void agree(struct http_reply *reply, const struct ws_handshake *shake)
{
	reply->status = 101;
	reply->content_type = NULL;
	http_reply_header(reply, "Upgrade", "websocket");
	http_reply_header(reply, "Connection", "Upgrade");
	http_reply_header(reply, "Sec-WebSocket-Accept", "%s", shake->accept);
	if (shake->protocol != NULL) {
		http_reply_header(reply, "Sec-WebSocket-Protocol", "%s", shake->protocol);
	}
	if (shake->deflate.enabled) {
		http_reply_header(reply, "Sec-WebSocket-Extensions", "%s", shake->deflate.reply);
	}
}

/* Can it read what is compressed for all? */
static bool can_share(const struct socket *socket, const struct ws_deflate_terms *terms)
{
	return socket->outlet.feed->options.compress > 0 && terms->enabled &&
	       !terms->server_no_takeover && terms->server_bits >= PRESS_BITS;
}

struct socket *socket_accept(struct http_request *req, struct http_reply *reply,
                             const struct socket_face *face, struct viewer *viewer)
{
	struct app *app = app_of(req);
	char name[AUTH_STREAM_LEN + 1];
	struct ws_handshake shake;
	struct socket *socket;

	ws_handshake(req, &policy, &shake);
	if (shake.status != 101) {
		refuse(req, reply, &shake);
		viewer_release(viewer);
		return NULL;
	}
	agree(reply, &shake);
	socket = socket_new(app, face, viewer, shake.deflate.enabled);
	if (can_share(socket, &shake.deflate)) {
		outlet_compress(&socket->outlet, intake_new(INTAKE_MESSAGES));
	}
	reply->stream = socket;
	reply->stream_ops = &socket_ops;
	auth_stream_format(socket->outlet.stream, name);
	http_reply_header(reply, "X-Stream-Id", "%s", name);
	auth_keep(app->auth, req, req->principal, reply);
	return socket;
}
