/*
 * Following a session: one GET after another, each from the last cursor seen, until the
 * server says that there is no more.  A lost connection, a restarted node or a gateway error
 * only costs time.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "cli/client.h"
#include "sse/sse.h"

enum {
	FOLLOW_LOOK_MS = 200, /* how often interrupted() is asked */
	FOLLOW_SILENT_S = 60, /* keep-alives come every 15 s: silence for longer is a dead peer */
	FOLLOW_FIRST_MS = 100,
	FOLLOW_MAX_MS = 5000,
	FOLLOW_ID_MAX = 64,
	FOLLOW_LINE_MAX = 1024 * 1024,
};

struct following {
	struct client *client;
	const struct client_follow *follow;
	struct sse_parser parser;
	char last_id[FOLLOW_ID_MAX]; /* of an event that came */
	struct client_reply reply;   /* of an answer that is no stream */
	bool got_event;              /* in this connection */
	bool finished;               /* `end` was seen, or event() had enough */
	bool broken;                 /* the stream is not one */
};

static void take_event(struct following *f)
{
	const struct client_event event = { f->parser.id, f->parser.name, f->parser.data };

	f->got_event = true;
	if (str_eq(event.type, STR_LIT("drain"))) {
		return; /* it says when to connect again, and so did retry */
	}
	f->finished = str_eq(event.type, STR_LIT("end")) ||
	              f->follow->event(f->follow->arg, &event) == CLIENT_ENOUGH || f->finished;
	if (event.id.n > 0) {
		(void)str_copy(f->last_id, sizeof(f->last_id), event.id);
	}
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *arg)
{
	struct following *f = arg;
	struct str in = str_make(bytes, size * count);

	if (f->reply.status == 0) {
		(void)curl_easy_getinfo(f->client->curl, CURLINFO_RESPONSE_CODE, &f->reply.status);
	}
	if (f->reply.status != 200) {
		buf_add_str(&f->reply.body, in);
		return size * count;
	}
	while (in.n > 0 && !f->finished) {
		switch (sse_parse(&f->parser, &in)) {
		case SSE_PARSED_MORE: break;
		case SSE_PARSED_EVENT: take_event(f); break;
		case SSE_PARSED_ERROR: f->broken = true; return 0;
		}
	}
	return f->finished ? 0 : size * count;
}

static bool interrupted(const struct following *f)
{
	return f->follow->interrupted != NULL && f->follow->interrupted(f->follow->arg);
}

/* Let curl work until the transfer is over. False: interrupted. */
static bool transfer(struct following *f, CURLM *multi, CURLcode *ret)
{
	int running = 1, left;
	CURLMsg *message;

	*ret = CURLE_OK;
	while (running > 0) {
		if (curl_multi_perform(multi, &running) != CURLM_OK) {
			*ret = CURLE_FAILED_INIT;
			return true;
		}
		if (running > 0) {
			(void)curl_multi_poll(multi, NULL, 0, FOLLOW_LOOK_MS, NULL);
			if (interrupted(f)) {
				return false;
			}
		}
	}
	while ((message = curl_multi_info_read(multi, &left)) != NULL) {
		if (message->msg == CURLMSG_DONE) {
			*ret = message->data.result;
		}
	}
	return true;
}

static struct curl_slist *set_request(struct following *f, const char *url, const char *proof)
{
	char line[FOLLOW_ID_MAX + 32];
	struct curl_slist *headers = curl_slist_append(NULL, proof);
	CURL *curl = f->client->curl;

	headers = curl_slist_append(headers, "Accept: text/event-stream");
	if (f->last_id[0] != '\0') {
		(void)snprintf(line, sizeof(line), "Last-Event-ID: %s", f->last_id);
		headers = curl_slist_append(headers, line);
	}
	curl_easy_reset(curl);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
	(void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 3L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
	(void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)FOLLOW_SILENT_S);
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	return headers;
}

/* A cursor that somebody typed is called what they called it, if it is wrong; one that the server
 * gave goes into a header, as browsers have it. */
static void set_url(const struct following *f, char *url, size_t size)
{
	const char *after = f->last_id[0] == '\0' ? f->follow->after : NULL;
	char *escaped = after != NULL ? curl_easy_escape(f->client->curl, after, 0) : NULL;

	(void)snprintf(url, size, "%s/api/v1/sessions/%s/events%s%s", f->client->url,
	               f->follow->session, escaped != NULL ? "?after=" : "",
	               escaped != NULL ? escaped : "");
	curl_free(escaped);
}

/* One connection, to its end. False: interrupted. */
static bool connect_once(struct following *f, CURLM *multi, const char *proof, CURLcode *ret)
{
	char url[CLIENT_URL_MAX + 128 + 3 * FOLLOW_ID_MAX];
	struct curl_slist *headers;
	bool went_on;

	set_url(f, url, sizeof(url));
	sse_parser_init(&f->parser, FOLLOW_LINE_MAX);
	buf_reset(&f->reply.body);
	f->reply.status = 0;
	f->got_event = false;
	headers = set_request(f, url, proof);
	(void)curl_multi_add_handle(multi, f->client->curl);
	went_on = transfer(f, multi, ret);
	(void)curl_easy_getinfo(f->client->curl, CURLINFO_RESPONSE_CODE, &f->reply.status);
	(void)curl_multi_remove_handle(multi, f->client->curl);
	curl_slist_free_all(headers);
	sse_parser_fini(&f->parser);
	return went_on;
}

/* Full jitter, so that the clients of a node that went away do not come back as one. */
static unsigned pause_ms(unsigned attempt)
{
	unsigned cap = FOLLOW_FIRST_MS << (attempt < 6 ? attempt : 6), random = 0;

	if (cap > FOLLOW_MAX_MS) {
		cap = FOLLOW_MAX_MS;
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random)) {
		random = (unsigned)clock_mono_us(); /* it only has to differ between clients */
	}
	return FOLLOW_FIRST_MS / 2 + random % cap;
}

static bool sleep_watching(const struct following *f, CURLM *multi, unsigned ms)
{
	uint64_t until = clock_mono_ms() + ms, now;

	while ((now = clock_mono_ms()) < until) {
		unsigned left = (unsigned)(until - now);

		(void)curl_multi_poll(multi, NULL, 0,
		                      left < FOLLOW_LOOK_MS ? (int)left : FOLLOW_LOOK_MS, NULL);
		if (interrupted(f)) {
			return false;
		}
	}
	return true;
}

/* What the end of one connection means: ERR_OK done, ERR_UNAVAILABLE go on, else give up. */
static enum err_code judge(struct following *f, CURLcode code, struct err *err)
{
	if (f->finished || f->reply.status == 204) {
		return ERR_OK;
	}
	if (f->broken) {
		return err_set(err, ERR_BACKEND, "%s does not answer with an event stream",
		               f->client->url);
	}
	if (f->reply.status >= 400 && f->reply.status < 500 && f->reply.status != 408 &&
	    f->reply.status != 429) {
		return client_problem(&f->reply, err);
	}
	if (f->reply.status >= 400) {
		return err_set(err, ERR_UNAVAILABLE, "status %ld", f->reply.status);
	}
	return err_set(err, ERR_UNAVAILABLE, "%s",
	               code == CURLE_OK ? "the stream ended" : curl_easy_strerror(code));
}

static enum err_code follow_through(struct following *f, CURLM *multi, struct err *err)
{
	unsigned attempt = 0, ms;
	char proof[CLIENT_PROOF_MAX];
	enum err_code verdict;
	CURLcode code;

	for (;;) {
		verdict = client_proof(f->client, proof, sizeof(proof), err);
		if (verdict == ERR_OK && !connect_once(f, multi, proof, &code)) {
			return err_set(err, ERR_CANCELLED, "interrupted");
		}
		verdict = verdict == ERR_OK ? judge(f, code, err) : verdict;
		if (verdict != ERR_UNAVAILABLE) {
			return verdict;
		}
		attempt = f->got_event ? 0 : attempt + 1;
		ms = pause_ms(attempt);
		if (f->follow->retrying != NULL) {
			f->follow->retrying(f->follow->arg, err->msg, ms);
		}
		if (!sleep_watching(f, multi, ms)) {
			return err_set(err, ERR_CANCELLED, "interrupted");
		}
	}
}

enum err_code client_follow(struct client *client, const struct client_follow *follow,
                            struct err *err)
{
	struct following f = { .client = client, .follow = follow };
	CURLM *multi = curl_multi_init();
	enum err_code code;

	if (follow->after != NULL && strlen(follow->after) >= FOLLOW_ID_MAX) {
		(void)curl_multi_cleanup(multi);
		return err_set(err, ERR_INVALID, "the cursor is too long");
	}
	buf_init(&f.reply.body, CLIENT_BODY_MAX);
	code = follow_through(&f, multi, err);
	buf_fini(&f.reply.body);
	(void)curl_multi_cleanup(multi);
	return code;
}
