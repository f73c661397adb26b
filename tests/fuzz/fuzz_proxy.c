/* Any bytes as a connection's first: nothing beyond them is read, what is asked for is bounded, and
 * an answer does not change with what follows the header. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_make((const char *)data, size);
	struct http_proxy_head head, again;
	struct in6_addr address;

	switch (http_proxy_parse(bytes, &head)) {
	case HTTP_PROXY_MORE: assert(head.size > size && head.size <= HTTP_PROXY_MAX); break;
	case HTTP_PROXY_DONE:
		assert(head.size > 0 && head.size <= size);
		assert(!head.told || inet_pton(AF_INET, head.peer, &address) == 1 ||
		       inet_pton(AF_INET6, head.peer, &address) == 1);
		bytes.n = head.size;
		assert(http_proxy_parse(bytes, &again) == HTTP_PROXY_DONE);
		assert(again.size == head.size && again.told == head.told &&
		       strcmp(again.peer, head.peer) == 0);
		bytes.n--;
		assert(http_proxy_parse(bytes, &again) == HTTP_PROXY_MORE);
		break;
	case HTTP_PROXY_BAD: break;
	}
	return 0;
}
