#include "steer/signature.h"

#include <stddef.h>

#include "cred/base64url.h"
#include "cred/mac.h"
#include "json/decode.h"
#include "json/value.h"

enum { MICRO = 1000, MAC_TEXT = 43, TIME_TEXT = 20, FURTHER_PARTS = 3 };

#define FIELD(member) .offset = offsetof(struct steer_signature, member), .present = JSON_NO_PRESENT

static const struct json_field fields[] = {
	{ .name = "at",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(at),
	  .min = 1,
	  .max = TIME_TEXT,
	  .help = "Milliseconds since 1970, decimal, as it was signed; within 30 seconds of the "
	          "server's time." },
	{ .name = "nonce",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(nonce),
	  .min = SIGNATURE_NONCE_MIN,
	  .max = SIGNATURE_NONCE_MAX,
	  .help = "Letters, digits, dashes and underscores that were never used before." },
	{ .name = "mac",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  FIELD(mac),
	  .min = MAC_TEXT,
	  .max = MAC_TEXT,
	  .help = "HMAC-SHA-512-256, base64url without padding." },
	{ .name = "input",
	  .kind = JSON_STR,
	  FIELD(input),
	  .max = STEER_PAYLOAD_MAX,
	  .help = "The text of the changed input that was signed; it says the same as that "
	          "member." },
	{ .name = "permissions",
	  .kind = JSON_STR,
	  FIELD(permissions),
	  .max = STEER_PAYLOAD_MAX,
	  .help = "The same for rules that go with it." },
	{ .name = "answers",
	  .kind = JSON_STR,
	  FIELD(answers),
	  .max = STEER_PAYLOAD_MAX,
	  .help = "The same for answers to questions of the agent." },
};

const struct json_table steer_signature_table = { "ApprovalSignature",
	                                          sizeof(struct steer_signature), fields,
	                                          ARRAY_LEN(fields) };

struct cred_pepper steer_signing_key(const struct cred_pepper *secret, const struct id *session,
                                     struct str participant)
{
	const struct str parts[] = { STR_LIT("approval key"), str_of(session->s), participant };
	struct cred_digest digest = cred_digest(parts, ARRAY_LEN(parts), secret);
	struct cred_pepper key;

	memcpy(key.bytes, digest.bytes, sizeof(key.bytes));
	cred_wipe(&digest, sizeof(digest));
	return key;
}

static enum err_code refuse(struct err *err, const char *reason)
{
	return err_set(err, ERR_FORBIDDEN, "%s", reason);
}

/* ---- does it fit ---- */

static bool is_nonce(struct str nonce)
{
	for (size_t i = 0; i < nonce.n; i++) {
		char c = nonce.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_')) {
			return false;
		}
	}
	return nonce.n >= SIGNATURE_NONCE_MIN && nonce.n <= SIGNATURE_NONCE_MAX;
}

static bool is_now(struct str at, int64_t now_us)
{
	uint64_t at_ms, now_ms = (uint64_t)now_us / MICRO;

	return parse_u64(at, INT64_MAX, &at_ms) && at_ms + SIGNATURE_WINDOW_MS >= now_ms &&
	       at_ms <= now_ms + SIGNATURE_WINDOW_MS;
}

/* Does the text that was signed say what the answer says, whose JSON is in one form? */
static bool says(struct str text, struct str json)
{
	struct json_value *value;
	struct buf form;
	struct err err;
	bool same;

	if (text.n == 0 || json.n == 0) {
		return text.n == 0 && json.n == 0;
	}
	value = json_parse(text, &err);
	if (value == NULL) {
		return false;
	}
	buf_init(&form, STEER_PAYLOAD_MAX);
	json_format(value, &form);
	same = !buf_failed(&form) && str_eq(buf_str(&form), json);
	buf_fini(&form);
	json_value_free(value);
	return same;
}

static bool is_signed(const struct cred_pepper *key, const struct id *session,
                      struct str participant, const struct steer_approval *approval)
{
	const struct steer_signature *signature = approval->signature;
	const bool more = approval->option.n > 0 || approval->answers.n > 0 || approval->interrupt;
	const struct str parts[] = {
		more ? STR_LIT("fairlead approval 2") : STR_LIT("fairlead approval 1"),
		str_of(session->s),
		participant,
		approval->request,
		str_of(approval->behavior),
		str_of(approval->scope),
		signature->input,
		signature->permissions,
		approval->message,
		signature->at,
		signature->nonce,
		approval->option,
		signature->answers,
		approval->interrupt ? STR_LIT("interrupt") : STR_LIT(""),
	};
	struct cred_digest expected =
		cred_mac(key, parts, more ? ARRAY_LEN(parts) : ARRAY_LEN(parts) - FURTHER_PARTS);
	struct cred_digest shown;
	struct buf mac;
	bool same;

	buf_init(&mac, 2 * (size_t)CRED_DIGEST_SIZE);
	same = cred_base64url_decode(signature->mac, &mac) &&
	       cred_digest_from(buf_str(&mac), &shown) && cred_digest_eq(&expected, &shown);
	buf_fini(&mac);
	return same;
}

enum err_code steer_check_signature(const struct steer_trail *trail, const struct id *session,
                                    struct str participant, const struct steer_approval *approval,
                                    int64_t now_us, struct err *err)
{
	const struct steer_signature *signature = approval->signature;
	struct cred_pepper key;
	bool fits;

	if (signature == NULL) {
		return trail->must_sign
		               ? refuse(err, "answers have to be signed here (approvals.signed)")
		               : ERR_OK;
	}
	if (!is_now(signature->at, now_us)) {
		return refuse(err, "the signature's time is more than 30 s from the server's");
	}
	if (!is_nonce(signature->nonce)) {
		return refuse(err, "the signature's nonce must be 16 to 64 letters, digits, dashes "
		                   "and underscores");
	}
	key = steer_signing_key(&trail->permissions, session, participant);
	fits = is_signed(&key, session, participant, approval);
	cred_wipe(&key, sizeof(key));
	if (!fits) {
		return refuse(err, "the signature is not one of this answer");
	}
	return says(signature->input, approval->updated_input) &&
	                       says(signature->permissions, approval->permissions) &&
	                       says(signature->answers, approval->answers)
	               ? ERR_OK
	               : refuse(err, "what was signed is not what the answer says");
}
