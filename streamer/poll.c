#include "streamer/poll.h"

#include "base/clock.h"
#include "metric/metric.h"
#include "streamer/channel.h"

static bool has_more(const struct channel *channel, const struct cursor *after)
{
	return cursor_compare(&channel->tip, after) > 0 || channel_ended(channel);
}

static enum err_code wait_for(struct channel *channel, const struct cursor *after,
                              uint64_t until_ms, struct err *err)
{
	struct poll poll;
	enum err_code code = ERR_OK;

	fiber_signal_init(&poll.moved);
	LIST_INSERT_HEAD(&channel->polls, &poll, link);
	while (code == ERR_OK && !has_more(channel, after)) {
		uint64_t now = clock_mono_ms();

		code = channel->feed->polls_over || now >= until_ms
		               ? ERR_TIMEOUT
		               : fiber_signal_wait(&poll.moved, until_ms - now);
	}
	LIST_REMOVE(&poll, link);
	return code == ERR_OK ? ERR_OK : err_set(err, code, "nothing came");
}

enum err_code poll_wait(struct feed *feed, const struct id *sid, const char *tenant,
                        const struct cursor *after, uint64_t until_ms, struct err *err)
{
	struct channel *channel;
	struct log_head head;
	enum err_code code;

	if (feed->polls >= POLLS_MAX) {
		return err_set(err, ERR_LIMIT, "%d requests wait here already", POLLS_MAX);
	}
	feed->polls++;
	metric_inc(METRIC_POLLS, NULL);
	feed_hold(feed);
	code = feed_look(feed, sid, tenant, &head, err);
	if (code == ERR_OK) {
		channel = feed_channel(feed, sid, tenant, &head);
		channel->pins++;
		code = wait_for(channel, after, until_ms, err);
		channel->pins--;
	}
	feed->polls--;
	metric_dec(METRIC_POLLS, NULL);
	feed_release(feed);
	return code;
}
