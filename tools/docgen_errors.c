/* docs/errors.md, from shared/base/err_codes.def. */
#include <ctype.h>

#include "base/buf.h"
#include "base/err.h"
#include "tools/docgen.h"

static const char intro[] =
	"# Errors\n\n"
	"<!-- Made from shared/base/err_codes.def; run tools/docs-update to renew it. -->\n\n"
	"Every failure in Fairlead has one of these codes. A client sees it as problem+json (RFC "
	"9457): `type` names the code, `title` is the sentence below, and `detail` and `errors` "
	"say "
	"more where there is more to say. Operators see the code itself in logs and as the label "
	"`error` of metrics.\n\n"
	"*Retry* means that the same request may succeed later without being changed: wait as "
	"`Retry-After` says, or back off. After `UNKNOWN` or `TIMEOUT` the request may have taken "
	"effect; repeat it with the same `Idempotency-Key` or producer sequence.\n\n"
	"| Code | Type | Status | Retry | Meaning |\n|---|---|---|---|---|\n";

void docgen_errors(struct buf *out)
{
	buf_add_cstr(out, intro);
	for (enum err_code code = ERR_OK + 1; code < ERR_COUNT; code++) {
		buf_addf(out, "| `%s` | `/errors/", err_name(code));
		for (const char *c = err_name(code); *c != '\0'; c++) {
			buf_add_char(out, (char)(*c == '_' ? '-' : tolower((unsigned char)*c)));
		}
		buf_addf(out, "` | %d | %s | %s |\n", err_http_status(code),
		         err_retryable(code) ? "yes" : "no", err_text(code));
	}
}
