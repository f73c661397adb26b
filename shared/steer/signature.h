/*
 * Signed answers to permission requests.
 *
 * Whoever may answer gets a key for a session (GET /api/v1/sessions/{id}/approval-key), and signs
 * with it what they answer.  A signature counts once, within SIGNATURE_WINDOW_MS of the time that
 *it names, for that session, that participant and exactly that answer: what was captured cannot be
 * used again or for anything else, and who can put frames into somebody's connection still
 * cannot answer in their name.
 *
 * The message is cred_mac() over, in this order:
 *
 *	"fairlead approval 1"   this form
 *	session                 its id
 *	participant             as the answer with the key calls them
 *	request                 the id of the permission request
 *	behavior                "allow" or "deny"
 *	scope                   "once", "session" or "always"
 *	input                   the JSON text of the changed input, as it is in the signature; else
 *"" permissions             the same for the rules to go with it message                 to the
 *agent; else "" at                      milliseconds since 1970, decimal nonce                   16
 *to 64 letters, digits, dashes and underscores, never used before
 *
 * An answer with an option, with answers or with an interrupt is of the form "fairlead approval 2",
 * which goes on behind the nonce with: option, answers (a text, as above), "interrupt" or "".
 *
 * input, permissions and answers are texts because JSON has no one form: they have to say the same
 *as the answer's own members.
 */
#pragma once

#include "steer/steer.h"

enum { SIGNATURE_WINDOW_MS = 30000, SIGNATURE_NONCE_MIN = 16, SIGNATURE_NONCE_MAX = 64 };

/* As a member of frames, "signature". */
struct steer_signature {
	struct str at, nonce, mac; /* mac: base64url */
	struct str input, permissions, answers;
};
extern const struct json_table steer_signature_table;

/* What a participant signs answers with. secret: the subkey "permissions" of the installation's. */
struct cred_pepper steer_signing_key(const struct cred_pepper *secret, const struct id *session,
                                     struct str participant);

/* Pure. ERR_FORBIDDEN with the reason: it does not count, or there is none and there has to be one.
 */
enum err_code steer_check_signature(const struct steer_trail *trail, const struct id *session,
                                    struct str participant, const struct steer_approval *approval,
                                    int64_t now_us, struct err *err) MUST_CHECK;
