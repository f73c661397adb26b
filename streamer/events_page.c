/*
 * Events as pages of JSON: numbered ones, newest first, over the whole log, or those after a
 * cursor, oldest first.
 *
 * A numbered page that is not complete says so; a page after a cursor goes on at its `next`.  A
 * page after a cursor that nothing can change any more may be kept by its client: all of it is
 * archived, and there is more after it or the session has ended.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "json/write.h"
#include "streamer/app.h"
#include "streamer/page.h"
#include "streamer/poll.h"

enum { KEEP_S = 3600, ETAG_SIZE = 2 + 16 + 1 };

/* ---- the answer ---- */

static void write_items(const struct page *page, struct jsonw *w)
{
	jsonw_init(w, &page->request->reply->body);
	jsonw_object(w, NULL);
	jsonw_array(w, "items");
	for (size_t i = 0; i < page->count; i++) {
		jsonw_raw(w, NULL,
		          str_make(page->items.data + page->parts[i].at, page->parts[i].n));
	}
	jsonw_end_array(w);
}

static void write_gap(const struct page *page, struct jsonw *w)
{
	if (page->gap.reason != LOG_GAP_NONE) {
		jsonw_object(w, "gap");
		jsonw_u64(w, "from", page->gap.from);
		jsonw_u64(w, "to", page->gap.to);
		jsonw_cstr(w, "reason", log_gap_name(page->gap.reason));
		jsonw_end_object(w);
	}
}

static void forbid_keeping(struct page *page)
{
	http_reply_header(page->request->reply, "Cache-Control", "no-store");
}

static enum err_code answer_numbered(struct page *page, struct err *err)
{
	const struct rest_events *query = &page->request->query;
	uint64_t total = 0;
	enum err_code code;
	struct jsonw w;

	page->wanted = query->per_page;
	page->block = page_new(page->request);
	code = page_numbered(page, &total, err);
	buf_fini(&page->block->items);
	if (code != ERR_OK) {
		return code;
	}
	write_items(page, &w);
	jsonw_u64(&w, "page", query->page);
	jsonw_u64(&w, "perPage", query->per_page);
	if (page->more) {
		jsonw_u64(&w, "nextPage", query->page + 1);
	}
	if (event_filter_is_all(&page->filter)) {
		jsonw_u64(&w, "total", total);
	}
	if (page->cut) {
		jsonw_bool(&w, "incomplete", true);
	}
	write_gap(page, &w);
	jsonw_end_object(&w);
	forbid_keeping(page);
	return ERR_OK;
}

/* ---- after a cursor ---- */

/* FNV-1a: it only has to tell two pages of one address apart. */
static void etag_of(struct str body, char out[ETAG_SIZE])
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < body.n; i++) {
		h = (h ^ (unsigned char)body.p[i]) * UINT64_C(1099511628211);
	}
	(void)snprintf(out, ETAG_SIZE, "\"%016" PRIx64 "\"", h);
}

/* RFC 9110 section 13.1.2. */
static bool is_known(const struct http_request *req, const char *etag)
{
	struct str rest = http_header(req, "If-None-Match");

	while (rest.p != NULL) {
		struct str tag = str_trim(str_split(&rest, ','));

		if (str_starts(tag, STR_LIT("W/"))) {
			tag = str_make(tag.p + 2, tag.n - 2);
		}
		if (str_eq(tag, str_of(etag)) || str_eq(tag, STR_LIT("*"))) {
			return true;
		}
	}
	return false;
}

static void allow_keeping(struct page *page)
{
	struct http_reply *reply = page->request->reply;
	char etag[ETAG_SIZE];

	etag_of(buf_str(&reply->body), etag);
	http_reply_header(reply, "ETag", "%s", etag);
	http_reply_header(reply, "Cache-Control", "private, max-age=%d", KEEP_S);
	if (is_known(page->request->req, etag)) {
		reply->status = 304;
		reply->content_type = NULL;
		buf_reset(&reply->body);
	}
}

/* Can it never read otherwise? */
static bool is_fixed(const struct page *page, const struct cursor *at, bool caught_up)
{
	return page->gap.reason == LOG_GAP_NONE && at->n <= page->head.watermark &&
	       (!caught_up || session_is_terminal(page->head.state));
}

static enum err_code look_up_key(const void *what, void *ret, struct err *err)
{
	const struct events_request *request = what;

	return auth_check_id(app_of(request->req)->auth, auth_lender(request->principal), ret, err);
}

static const struct flight_kind looking_up = { sizeof(struct principal), look_up_key, NULL };

/* Whoever waited may be allowed less by now. All who waited ask this at once: what is looked up is
 * shared by those of one key. */
static enum err_code check_again(const struct events_request *request, struct err *err)
{
	struct principal who = *request->principal;
	char key[sizeof("key ") + ID_LEN];
	struct flight *flight;
	enum err_code code;

	if (id_is_nil(auth_lender(&who))) { /* a token of another issuer: good until it expires */
		return who.expires_us == 0 || clock_wall_us() < who.expires_us
		               ? ERR_OK
		               : err_set(err, ERR_UNAUTHORIZED, "this token has expired");
	}
	(void)snprintf(key, sizeof(key), "key %s", auth_lender(&who)->s);
	code = flight_hold(app_of(request->req)->flights, str_of(key), &looking_up, request,
	                   &flight, err);
	if (code != ERR_OK) {
		return code;
	}
	auth_renew(&who, flight->fetched);
	flight_release(flight);
	if (!auth_allows(&who, AUTH_SESSION_READ) ||
	    auth_part_of(&who) != auth_part_of(request->principal) ||
	    auth_allows(&who, AUTH_ADMIN) != auth_allows(request->principal, AUTH_ADMIN)) {
		return err_set(err, ERR_UNAUTHORIZED, "this key has changed: ask again");
	}
	return ERR_OK;
}

/* Until there is something, or the time is over. */
static enum err_code read_or_wait(struct page *page, struct cursor *at, bool *ret_caught_up,
                                  struct err *err)
{
	const struct events_request *request = page->request;
	uint64_t until = clock_mono_ms() + request->query.wait * 1000;
	const struct app *app = app_of(request->req);

	for (;;) {
		enum err_code code = page_after(page, at, ret_caught_up, err);

		if (code != ERR_OK || page->count > 0 || !*ret_caught_up ||
		    page->gap.reason != LOG_GAP_NONE || request->query.wait == 0 ||
		    session_is_terminal(page->head.state) || app->feed == NULL) {
			return code;
		}
		page->archived = 0;
		code = poll_wait(app->feed, &request->sid, request->principal->tenant, at, until,
		                 err);
		if (code == ERR_OK) {
			code = check_again(request, err);
		}
		if (code != ERR_OK) {
			return code == ERR_TIMEOUT ? ERR_OK : code;
		}
	}
}

static enum err_code answer_after(struct page *page, struct err *err)
{
	struct cursor at = page->request->after;
	bool caught_up = false, fixed;
	char next[CURSOR_SIZE];
	enum err_code code;
	struct jsonw w;

	page->wanted = page->request->query.limit;
	code = read_or_wait(page, &at, &caught_up, err);
	if (code != ERR_OK) {
		return code;
	}
	fixed = is_fixed(page, &at, caught_up);
	write_items(page, &w);
	cursor_format(&at, next);
	jsonw_cstr(&w, "next", next);
	jsonw_bool(&w, "caughtUp", caught_up);
	if (!fixed || caught_up) { /* it grows */
		jsonw_u64(&w, "total", page->head.at.n);
	}
	write_gap(page, &w);
	jsonw_end_object(&w);
	if (fixed) {
		allow_keeping(page);
	} else {
		forbid_keeping(page);
	}
	return ERR_OK;
}

void events_page(struct events_request *request)
{
	struct page *page = page_new(request);
	struct err err = { .code = ERR_OK };
	enum err_code code =
		request->resumes ? answer_after(page, &err) : answer_numbered(page, &err);

	buf_fini(&page->items);
	if (code != ERR_OK) {
		buf_reset(&request->reply->body);
		events_problem(request, &err);
	}
}
