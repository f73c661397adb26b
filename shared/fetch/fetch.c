#include "fetch/fetch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "fetch/address.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum { CONNECTIONS_MAX = 64, CONNECTIONS_OF_HOST_MAX = 16 };

struct fetch {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer timer;
	char *ca_file;
	size_t in_flight;
};

/* On the stack of the fiber that waits. */
struct transfer {
	struct fiber_op op;
	struct fetch *fetch;
	const struct fetch_request *request;
	struct fetch_response *response;
	CURL *easy; /* NULL once it is taken back */
	struct curl_slist *headers;
	bool is_plain;   /* http: */
	bool is_refused; /* it led to where it may not */
	char why[CURL_ERROR_SIZE];
};

/* ---- where to ---- */

static bool may_reach(const struct transfer *transfer, const struct sockaddr *address)
{
	enum fetch_net net = fetch_net_of(address);
	unsigned flags = transfer->request->flags;

	if (transfer->request->socket != NULL) {
		return true; /* the caller has found the way itself */
	}
	if (((flags & FETCH_PUBLIC) != 0 && net != FETCH_NET_PUBLIC) ||
	    ((flags & FETCH_NO_LINK) != 0 && net == FETCH_NET_LINK)) {
		return false;
	}
	return !transfer->is_plain || (flags & FETCH_PLAIN) != 0 || net == FETCH_NET_LOOPBACK;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = arg;

	(void)purpose;
	if (!may_reach(transfer, &address->addr)) {
		transfer->is_refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A connection that was opened for another request is kept: this one may be narrower. */
static int before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct transfer *transfer = arg;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { .any.sa_family = AF_UNSPEC };

	(void)local;
	(void)peer_port;
	(void)local_port;
	if (inet_pton(AF_INET, peer, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, peer, &address.v6.sin6_addr) == 1) {
		address.v6.sin6_family = AF_INET6;
	}
	transfer->is_refused = !may_reach(transfer, &address.any);
	return transfer->is_refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- what comes back ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;

	buf_add(&transfer->response->body, bytes, size * count);
	return buf_failed(&transfer->response->body) ? CURL_WRITEFUNC_ERROR : size * count;
}

/* A status line begins anew: what came before belonged to an interim response. */
static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *transfer = arg;
	struct buf *headers = &transfer->response->headers;
	struct str line = str_make(bytes, size * count);

	if (str_starts(line, STR_LIT("HTTP/"))) {
		buf_reset(headers);
	} else {
		buf_add_str(headers, line);
	}
	return buf_failed(headers) ? CURL_WRITEFUNC_ERROR : size * count;
}

/* ---- the multi handle on the loop ---- */

static void take_back(struct transfer *transfer)
{
	if (transfer->easy != NULL) {
		(void)curl_multi_remove_handle(transfer->fetch->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
		curl_slist_free_all(transfer->headers);
		transfer->easy = NULL;
		transfer->fetch->in_flight--;
	}
}

static enum err_code code_of(const struct transfer *transfer, CURLcode result)
{
	if (transfer->is_refused) {
		return ERR_FORBIDDEN;
	}
	if (buf_failed(&transfer->response->body) || buf_failed(&transfer->response->headers)) {
		return ERR_TOO_LARGE;
	}
	switch ((int)result) {
	case CURLE_OPERATION_TIMEDOUT: return ERR_TIMEOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR: return ERR_UNAVAILABLE;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_LOGIN_DENIED: return ERR_INVALID;
	default: return ERR_BACKEND;
	}
}

static void finish(struct transfer *transfer, CURLcode result)
{
	struct err err;
	curl_off_t wait_s = 0;
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &wait_s);
	transfer->response->status = (int)status;
	transfer->response->retry_after_s = wait_s > 0 ? (uint64_t)wait_s : 0;
	take_back(transfer);
	if (result == CURLE_OK) {
		fiber_op_done(&transfer->op, NULL);
		return;
	}
	(void)err_set(&err, code_of(transfer, result), "%s",
	              transfer->is_refused       ? "leads to an address that may not be asked"
	              : transfer->why[0] != '\0' ? transfer->why
	                                         : curl_easy_strerror(result));
	fiber_op_done(&transfer->op, &err);
}

static void reap(struct fetch *fetch)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetch->multi, &left)) != NULL) {
		struct transfer *transfer = NULL;

		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		finish(transfer, message->data.result);
	}
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct fetch *fetch = arg;
	int happened = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
	               ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	(void)curl_multi_socket_action(fetch->multi, fd, happened, &running);
	reap(fetch);
}

static void on_timer(struct loop_timer *timer)
{
	struct fetch *fetch = CONTAINER_OF(timer, struct fetch, timer);
	int running;

	(void)curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(fetch);
}

/* libcurl: watch this socket for that from now on. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
	struct fetch *fetch = arg;
	struct event *event = watch;
	short events = EV_PERSIST;

	(void)easy;
	if (event != NULL) {
		event_free(event);
		event = NULL;
	}
	if (what != CURL_POLL_REMOVE) {
		events = (short)(events | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
		                 ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));
		event = event_new(loop_base(fetch->loop), fd, events, on_socket_event, fetch);
		if (event == NULL || event_add(event, NULL) != 0) {
			abort(); /* out of memory */
		}
	}
	(void)curl_multi_assign(fetch->multi, fd, event);
	return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch *fetch = arg;

	(void)multi;
	if (timeout_ms < 0) {
		loop_timer_clear(&fetch->timer);
	} else {
		loop_timer_set(&fetch->timer, (uint64_t)timeout_ms);
	}
	return 0;
}

struct fetch *fetch_new(struct loop *loop, const struct fetch_options *options)
{
	struct fetch *fetch = mem_calloc(1, sizeof(*fetch));

	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	fetch->loop = loop;
	fetch->ca_file = options->ca_file != NULL && options->ca_file[0] != '\0'
	                         ? mem_strdup(options->ca_file)
	                         : NULL;
	fetch->multi = curl_multi_init();
	loop_timer_init(&fetch->timer, loop, on_timer);
	if (fetch->multi == NULL) {
		abort(); /* out of memory */
	}
	(void)curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
	(void)curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
	(void)curl_multi_setopt(fetch->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
	                        (long)CONNECTIONS_MAX);
	(void)curl_multi_setopt(fetch->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
	                        (long)CONNECTIONS_OF_HOST_MAX);
	return fetch;
}

void fetch_free(struct fetch *fetch)
{
	if (fetch != NULL) {
		assert(fetch->in_flight == 0);
		(void)curl_multi_cleanup(fetch->multi);
		loop_timer_clear(&fetch->timer);
		curl_global_cleanup();
		free(fetch->ca_file);
		free(fetch);
	}
}

/* ---- a request ---- */

static void abandon(struct fiber_op *op)
{
	take_back(CONTAINER_OF(op, struct transfer, op));
}

static enum err_code check_url(const struct fetch_request *request, bool *ret_plain,
                               struct err *err)
{
	struct str url = str_of(request->url);
	bool tls = url.n > 8 && str_eq_nocase(str_make(url.p, 8), STR_LIT("https://"));
	bool plain = url.n > 7 && str_eq_nocase(str_make(url.p, 7), STR_LIT("http://"));

	if (url.n > FETCH_URL_MAX || !(tls || plain)) {
		return err_set(err, ERR_INVALID, "must be an https address of at most %d bytes",
		               FETCH_URL_MAX);
	}
	if (plain && (request->flags & (FETCH_PLAIN | FETCH_PLAIN_LOOPBACK)) == 0) {
		return err_set(err, ERR_INVALID, "must be an https address");
	}
	*ret_plain = plain;
	return ERR_OK;
}

static void say_what(struct transfer *transfer)
{
	const struct fetch_request *request = transfer->request;
	CURL *easy = transfer->easy;

	(void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
	(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	(void)curl_easy_setopt(easy, CURLOPT_NOBODY,
	                       strcmp(request->method, "HEAD") == 0 ? 1L : 0L);
	if (request->body.p != NULL) {
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		                       (curl_off_t)request->body.n);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.p);
	}
	for (size_t i = 0; i < FETCH_HEADERS_MAX && request->headers[i] != NULL; i++) {
		transfer->headers = curl_slist_append(transfer->headers, request->headers[i]);
	}
	transfer->headers = curl_slist_append(transfer->headers, "Expect:");
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "fairlead/" FAIRLEAD_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
}

static void say_how(struct transfer *transfer)
{
	CURL *easy = transfer->easy;

	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->why);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, transfer->is_plain ? "http" : "https");
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else giving up waits for the thread that resolves a name. */
	(void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	if (transfer->request->socket != NULL) {
		(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, transfer->request->socket);
	}
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	if (transfer->fetch->ca_file != NULL) {
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, transfer->fetch->ca_file);
	}
}

enum err_code fetch(struct fetch *fetch, const struct fetch_request *request,
                    struct fetch_response *ret, struct err *err)
{
	struct transfer transfer = { .fetch = fetch, .request = request, .response = ret };
	enum err_code code = check_url(request, &transfer.is_plain, err);

	*ret = (struct fetch_response){ .status = 0 };
	buf_init(&ret->headers, FETCH_HEAD_MAX);
	buf_init(&ret->body, request->response_max);
	if (code != ERR_OK) {
		return code;
	}
	transfer.easy = curl_easy_init();
	if (transfer.easy == NULL) {
		return err_set(err, ERR_NOMEM, "libcurl has no room");
	}
	say_what(&transfer);
	say_how(&transfer);
	fiber_op_begin(&transfer.op, abandon);
	fetch->in_flight++;
	if (curl_multi_add_handle(fetch->multi, transfer.easy) != CURLM_OK) {
		finish(&transfer, CURLE_FAILED_INIT);
	}
	return fiber_wait(&transfer.op, FIBER_NO_TIMEOUT, err);
}

void fetch_response_fini(struct fetch_response *response)
{
	buf_fini(&response->headers);
	buf_fini(&response->body);
}

struct str fetch_header(const struct fetch_response *response, const char *name)
{
	struct str rest = buf_str(&response->headers);

	while (rest.p != NULL && rest.n > 0) {
		struct str line = str_split(&rest, '\n');
		struct str found = str_split(&line, ':');

		if (line.p != NULL && str_eq_nocase(found, str_of(name))) {
			if (line.n > 0 && line.p[line.n - 1] == '\r') {
				line.n--;
			}
			return str_trim(line);
		}
	}
	return STR_LIT("");
}
