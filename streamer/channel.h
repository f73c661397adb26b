/*
 * One session that is followed: its newest events, encoded once per format, and who waits for
 * them.
 *
 * The rings grow at their tip, which is one, only by what follows without a hole: an event that
 * came with a doorbell, or what reading from the tip gave.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "base/id.h"
#include "event/log.h"
#include "loop/loop.h"
#include "streamer/ahead.h"
#include "streamer/feed.h"
#include "streamer/folded.h"
#include "streamer/format.h"
#include "streamer/lag.h"
#include "streamer/poll.h"
#include "streamer/ring.h"
#include "streamer/squeeze.h"

enum {
	CHANNEL_TENANT_MAX = 64,
	CHANNEL_SQUEEZES = 4, /* sets of types that are compressed in one format; others are not */
};

LIST_HEAD(replays, replay);
LIST_HEAD(form_squeezes, squeeze);

LIST_HEAD(polls, poll);

/* The newest events in one format. */
struct channel_form {
	struct ring *ring; /* NULL: nobody asks for it */
	size_t followers;
	uint64_t idle_ms; /* when the last of them left */
	struct form_squeezes squeezes;
};

struct channel {
	struct feed *feed;
	struct id sid;
	char tenant[CHANNEL_TENANT_MAX + 1];
	struct cursor tip;        /* of all rings */
	enum session_state state; /* at the tip */
	struct channel_form forms[FORMAT_COUNT];
	size_t followers;           /* in all formats */
	size_t pins;                /* readers that are at it */
	struct subscribers at_tip;  /* have all there is, or all that this round writes */
	struct subscribers due;     /* have something to write */
	struct subscribers waiting; /* for history, and no reader has them yet */
	struct subscribers folding; /* the same, for a folded block */
	struct replays replays;     /* reads of history in flight */
	struct polls polls;         /* requests that wait for it to move */
	struct folded_blocks folded;
	struct kept_of_channel kept;
	uint64_t folds_forgotten; /* times */
	struct loop_task task;    /* writes to those due */
	struct loop_timer pause;  /* until then events are collected */
	uint64_t round_ms;        /* when writing to all was last begun */
	struct ahead *ahead;      /* for those with a backlog */
	struct lag lag;           /* of what they wait for */
	uint64_t read_ms;         /* when its end was last seen */
	uint64_t idle_ms;         /* when the last follower left */
	uint64_t trimmed;         /* Redis begins after this n, as far as was seen */
	bool is_stale, is_hungry, is_pausing;
	bool is_reading, is_again; /* from its tip; and once more after that */
	TAILQ_ENTRY(channel) sweep_link, stale_link, hungry_link, idle_link;
};

struct channel *channel_new(struct feed *feed, const struct id *sid, const char *tenant,
                            const struct log_head *head);
void channel_free(struct channel *channel); /* no followers, no pins */

/* One more follower, or one less, in that format. */
void channel_follow(struct channel *channel, enum format format);
void channel_unfollow(struct channel *channel, enum format format);

/* Of a format that is followed: it lives as long as the follower. */
static inline const struct ring *channel_ring(const struct channel *channel, enum format format)
{
	return channel->forms[format].ring;
}

/* One more user of a format's events of these types, compressed; the format is followed. NULL: not
 * to be had. */
struct squeeze *channel_squeeze(struct channel *channel, enum format format, uint64_t types);
void channel_unsqueeze(struct channel *channel, struct squeeze *squeeze);

bool channel_ended(const struct channel *channel);

void channel_bell(struct channel *channel, struct str payload);
/* Take what was read after that tip. */
void channel_take(struct channel *channel, const struct cursor *after, const struct log_page *page);
void channel_seen(struct channel *channel); /* its end is known as of now */

void channel_set_stale(struct channel *channel); /* read it from its tip soon */
void channel_wake(struct channel *channel);      /* write to those due, on a later turn */
