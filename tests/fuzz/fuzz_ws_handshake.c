/*
 * A handshake is answered or refused, and never by what our policy does not allow.  The input is a
 * request's head as the HTTP parser reads it, so this is all that a client can say before a frame.
 */
#include <stdlib.h>

#include "http/parse.h"
#include "ws/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const protocols[] = { "fairlead.v1", "p", NULL };

static const struct ws_policy policy = {
	.protocols = protocols,
	.deflate = { .enabled = true, .server_bits = 13, .client_bits = 12 },
};

static void check(bool ok)
{
	if (!ok) {
		abort();
	}
}

static void check_terms(const struct ws_deflate_terms *terms)
{
	struct ws_deflate_terms again = { .enabled = false };
	struct ws_deflate_policy all = { .enabled = true,
		                         .server_bits = WS_BITS_MAX,
		                         .client_bits = WS_BITS_MAX };

	if (!terms->enabled) {
		check(terms->reply[0] == '\0');
		return;
	}
	check(terms->server_bits >= WS_BITS_MIN && terms->server_bits <= 13);
	check(terms->client_bits >= WS_BITS_MIN && terms->client_bits <= WS_BITS_MAX);
	/* Our reply is itself an offer that can be honoured, in the same words. */
	check(ws_extension_offer(str_of(terms->reply), &all, &again) && again.enabled);
	check(strcmp(terms->reply, again.reply) == 0);
}

static void check_answer(const struct ws_handshake *answer)
{
	check(answer->status == 101 || answer->status == 400 || answer->status == 405 ||
	      answer->status == 426);
	check((answer->status == 101) == (answer->reason == NULL));
	if (answer->status != 101) {
		check(answer->protocol == NULL && !answer->deflate.enabled);
		return;
	}
	check(strlen(answer->accept) == WS_ACCEPT_SIZE - 1);
	check(answer->protocol == NULL || answer->protocol == protocols[0] ||
	      answer->protocol == protocols[1]);
	check_terms(&answer->deflate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct http_parser parser;

	http_parser_init(&parser);
	if (http_parse(&parser, &in) == HTTP_PARSED_HEAD) {
		struct http_request req = { .method = parser.head.method,
			                    .headers = parser.head.headers,
			                    .header_count = parser.head.header_count };
		struct ws_handshake answer;

		ws_handshake(&req, &policy, &answer);
		check_answer(&answer);
	}
	http_parser_fini(&parser);
	return 0;
}
