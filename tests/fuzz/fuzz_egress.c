/* Whatever an agent asks its proxy for: a host that is understood is a plain one, and what is
 * passed on is one request whose fields are lines. */
#include <assert.h>
#include <string.h>

#include "worker/egress_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct egress_request request;
	struct buf out;

	buf_init(&out, 2 * EGRESS_HEAD_MAX);
	if (egress_parse(str_make((const char *)data, size), &request, &out)) {
		assert(request.target.port > 0 && request.target.port <= UINT16_MAX);
		assert(strpbrk(request.target.host, " \r\n/@?#[]") == NULL);
		assert(request.target.host[0] != '\0');
		assert(!request.connects || out.len == 0);
		(void)egress_rules_fit("a,*.b:1,[::1]:2,t=*", STR_LIT("t"), &request.target);
	}
	buf_fini(&out);
	return 0;
}
