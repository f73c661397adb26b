#include "streamer/eventsource.h"

#include "cred/digest.h"
#include "metric/metric.h"
#include "node/node.h"
#include "streamer/frame.h"

/* Longer than after a stream that ended well, and not all at once. */
enum { AWAY_TIMES = 2, RANDOM_SIZE = 2 };

/* Browsers send Sec-Fetch-Mode over TLS and to localhost, and this User-Agent everywhere. */
static bool is_eventsource(const struct http_request *req)
{
	struct str accept = http_header(req, "Accept");

	return str_eq_nocase(accept, STR_LIT("text/event-stream")) &&
	       (http_header(req, "Sec-Fetch-Mode").n > 0 ||
	        str_starts(http_header(req, "User-Agent"), STR_LIT("Mozilla/")));
}

static bool passes(int status)
{
	return status == 429 || (status >= 502 && status <= 504);
}

static unsigned away_ms(uint64_t retry_ms)
{
	char digits[2 * RANDOM_SIZE + 1];
	uint64_t part = 0;

	cred_random_hex(digits, RANDOM_SIZE);
	(void)!parse_hex_u64(str_of(digits), &part);
	return (unsigned)(AWAY_TIMES * (retry_ms + ((retry_ms * part) >> (8 * RANDOM_SIZE))));
}

bool eventsource_soften(struct http_request *req, struct http_reply *reply)
{
	if (!passes(reply->status) || !is_eventsource(req)) {
		return false;
	}
	metric_inc(METRIC_STREAMS_PUT_OFF, NULL);
	reply->status = 200;
	reply->content_type = "text/event-stream";
	buf_reset(&reply->body);
	frame_retry(away_ms(node_of(req)->conf.stream_retry), &reply->body);
	return true;
}
