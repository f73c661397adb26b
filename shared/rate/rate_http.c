#include "rate/rate_http.h"

#include "auth/auth_shown.h"
#include "conf/conf.h"

enum { MS_A_SECOND = 1000, US_A_MINUTE = 60000000 };

/* Guessing is limited unless somebody says that it is not (auth=0): a setting that is about
 * something else does not switch that off. */
static void keep_guessing_slow(struct rate_limits *limits, uint64_t count, uint64_t burst)
{
	if (!limits->said[RATE_AUTH]) {
		limits->of[RATE_AUTH] = (struct gcra_limit){ count, US_A_MINUTE, burst };
	}
}

struct rate *rate_open(const struct conf *conf, struct redis *redis, struct err *err)
{
	struct rate_options options = { .redis = redis };
	const char *const texts[RATE_KIND_COUNT] = { [RATE_KEY] = conf->rate_key,
		                                     [RATE_USER] = conf->rate_user,
		                                     [RATE_TENANT] = conf->rate_tenant,
		                                     [RATE_ADDRESS] = conf->rate_address };

	for (unsigned i = 0; i < RATE_KIND_COUNT; i++) {
		if (rate_limits_parse(str_of(texts[i]), &options.limits[i], err) != ERR_OK) {
			(void)err_wrap(err, "rate.%s", rate_kind_name((enum rate_kind)i));
			return NULL;
		}
	}
	keep_guessing_slow(&options.limits[RATE_USER], RATE_GUESSES, RATE_GUESSES_BURST);
	keep_guessing_slow(&options.limits[RATE_ADDRESS], RATE_ADDRESS_AUTH, RATE_ADDRESS_AUTH);
	return rate_new(&options);
}

static uint64_t seconds(uint64_t ms)
{
	return (ms + MS_A_SECOND - 1) / MS_A_SECOND;
}

static void tell_one(struct buf *headers, const char *name, uint64_t value)
{
	buf_add_cstr(headers, name);
	buf_add_u64(headers, value);
	buf_add_cstr(headers, "\r\n");
}

/* draft-ietf-httpapi-ratelimit-headers-03: what clients in the field read. */
static void tell(const struct rate_verdict *verdict, struct http_reply *reply)
{
	tell_one(&reply->headers, "RateLimit-Limit: ", verdict->burst);
	tell_one(&reply->headers, "RateLimit-Remaining: ", verdict->left);
	tell_one(&reply->headers, "RateLimit-Reset: ", seconds(verdict->reset_ms));
}

void rate_answer(const struct http_request *req, const struct rate_verdict *verdict,
                 struct http_reply *reply)
{
	static const char *const details[RATE_KIND_COUNT] = {
		[RATE_KEY] = "this key asks too often",
		[RATE_USER] = "this user asks too often",
		[RATE_TENANT] = "this tenant asks too often",
		[RATE_ADDRESS] = "too much is asked from this address",
	};

	buf_reset(&reply->headers);
	http_problem(reply, req, ERR_LIMIT, details[verdict->kind]);
	http_retry_after(reply, (unsigned)seconds(verdict->retry_ms));
	tell(verdict, reply);
}

static struct rate_subject address_of(const struct http_request *req)
{
	return (struct rate_subject){ .kind = RATE_ADDRESS, .name = req->peer };
}

bool rate_admit_stranger(struct rate *rate, const struct http_request *req,
                         struct http_reply *reply)
{
	struct rate_subject address = address_of(req);
	struct rate_verdict verdict = rate_look(rate, &address, RATE_AUTH);

	if (!verdict.allowed) {
		rate_answer(req, &verdict, reply);
	}
	return verdict.allowed;
}

static bool shows_credential(const struct http_request *req, bool streams)
{
	struct auth_shown_set shown;
	struct err err;

	return auth_shown_find(req, streams, &shown, &err) != ERR_OK || shown.is_given ||
	       shown.sent_count > 0;
}

void rate_charge_stranger(struct rate *rate, const struct http_request *req, bool streams,
                          struct http_reply *reply)
{
	struct rate_subject address = address_of(req);
	struct rate_verdict verdict =
		rate_take(rate, &address, RATE_AUTH,
	                  shows_credential(req, streams) ? RATE_COST_WRONG_CREDENTIAL
	                                                 : RATE_COST_NO_CREDENTIAL);

	if (!verdict.allowed) {
		rate_answer(req, &verdict, reply);
	}
}

bool rate_admit(struct rate *rate, const struct http_request *req, const struct principal *who,
                enum rate_class which, struct http_reply *reply)
{
	struct rate_subject subjects[RATE_SUBJECTS_MAX];
	struct rate_verdict verdict;
	size_t count = 0;

	subjects[count++] = address_of(req);
	if (who != NULL) {
		struct str tenant = str_of(who->tenant), user = str_of(who->user.s);

		if (user.n == 0) {
			user = str_of(who->owner);
		}
		subjects[count++] = (struct rate_subject){ .kind = RATE_TENANT, .tenant = tenant };
		if (!id_is_nil(&who->key)) {
			subjects[count++] =
				(struct rate_subject){ RATE_KEY, tenant, str_of(who->key.s) };
		}
		if (user.n > 0) {
			subjects[count++] = (struct rate_subject){ RATE_USER, tenant, user };
		}
	}
	verdict = rate_spend(rate, subjects, count, which, 1);
	if (!verdict.allowed) {
		rate_answer(req, &verdict, reply);
	} else if (verdict.limited) {
		tell(&verdict, reply);
	}
	return verdict.allowed;
}
