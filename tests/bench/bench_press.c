/* What compressing once costs: CPU for an event, for all; bytes for an event; CPU of our own for a
 * delivery. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "event/event.h"
#include "streamer/frame.h"
#include "streamer/intake.h"
#include "streamer/squeeze.h"

enum { EVENTS = 20000, CLIENTS = 200, RING_BYTES = 1024 * 1024 };

struct bench {
	struct squeeze_pool pool;
	struct squeeze *squeeze;
	struct ring ring;
	struct id sid;
	struct buf frame;
	uint64_t plain_bytes, wire_bytes;
};

static double cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What an agent says: words, in parts of about 200 bytes with all that is around them. */
static void make_frame(struct bench *bench, uint64_t n)
{
	static const char *const words[] = {
		"the",    "test", "fails", "because", "of",     "a",  "null", "value", "in",
		"parser", "line", "so",    "I",       "change", "it", "and",  "run",   "again"
	};
	struct log_event event = { .at = { 1, n },
		                   .ts_ms = INT64_C(1700000000000) + (int64_t)(n * 13),
		                   .type = STR_LIT("message_delta"),
		                   .producer = STR_LIT("w:01ARZ3NDEKTSV4RRFFQ69G5FAV"),
		                   .seq = n };
	char data[256];
	size_t len = (size_t)snprintf(data, sizeof(data), "{\"text\":\"");
	uint64_t seed = n * UINT64_C(6364136223846793005);

	for (int i = 0; i < 8; i++, seed = seed * UINT64_C(6364136223846793005) + 1) {
		len += (size_t)snprintf(data + len, sizeof(data) - len, "%s ",
		                        words[(seed >> 40) % ARRAY_LEN(words)]);
	}
	len += (size_t)snprintf(data + len, sizeof(data) - len, "\"}");
	event.data = str_make(data, len);
	buf_reset(&bench->frame);
	frame_event(&event, &bench->sid, &bench->frame);
}

static void push(struct bench *bench, uint64_t n)
{
	struct cursor at = { 1, n };

	make_frame(bench, n);
	bench->plain_bytes += bench->frame.len;
	ring_push(&bench->ring, &at, 0, buf_str(&bench->frame));
}

static void open_bench(struct bench *bench)
{
	*bench = (struct bench){ .sid = id_new() };
	buf_init(&bench->frame, FRAME_MAX);
	ring_init(&bench->ring, 1024, RING_BYTES, (struct cursor){ 1, 0 });
	squeeze_pool_init(&bench->pool, 1, 1000000);
	bench->squeeze =
		squeeze_new(&bench->pool, FORMAT_SSE, POSITION_ALL_TYPES, (struct cursor){ 1, 0 });
}

static void close_bench(struct bench *bench)
{
	squeeze_free(bench->squeeze);
	squeeze_pool_fini(&bench->pool);
	ring_fini(&bench->ring);
	buf_fini(&bench->frame);
}

/* Somebody joins every so many events; 0: never. */
static void compress(unsigned join_every)
{
	static size_t ends[EVENTS + 1];
	struct bench bench;
	struct buf frames;
	double began, took;

	open_bench(&bench);
	buf_init(&frames, SIZE_MAX / 2);
	for (uint64_t n = 1; n <= EVENTS; n++) {
		make_frame(&bench, n);
		buf_add_str(&frames, buf_str(&bench.frame));
		ends[n] = frames.len;
	}
	bench.plain_bytes = frames.len;
	began = cpu_us();
	for (uint64_t n = 1; n <= EVENTS; n++) {
		struct str frame = str_make(frames.data + ends[n - 1], ends[n] - ends[n - 1]);

		bench.squeeze->is_missed = join_every > 0 && n % join_every == 0;
		squeeze_push(bench.squeeze, &(struct cursor){ 1, n }, 0, frame, 1000);
		bench.wire_bytes += ring_at(&bench.squeeze->ring, n)->len;
	}
	took = cpu_us() - began;
	buf_fini(&frames);
	printf("compress, a join every %4u events: %.2f us an event, %.0f -> %.0f bytes, 1 for "
	       "%.1f\n",
	       join_every, took / EVENTS, (double)bench.plain_bytes / EVENTS,
	       (double)bench.wire_bytes / EVENTS,
	       (double)bench.plain_bytes / (double)bench.wire_bytes);
	close_bench(&bench);
}

static ssize_t swallow(void *conn, const struct iovec *iov, int count)
{
	size_t n = 0;

	(void)conn;
	for (int i = 0; i < count; i++) {
		n += iov[i].iov_len;
	}
	return (ssize_t)n;
}

static void send_plain(struct bench *bench, struct position *position)
{
	struct plan plan;

	position_plan(position, &bench->ring, PLAN_BYTES, &plan);
	(void)position_advance(position, &bench->ring, (size_t)swallow(NULL, plan.iov, plan.count));
}

/* CPU without the system's call; batch: events in one write. */
static void deliver(bool shared, uint64_t batch)
{
	static struct position positions[CLIENTS];
	static struct intake *intakes[CLIENTS];
	struct bench bench;
	double took = 0;

	open_bench(&bench);
	for (size_t i = 0; i < CLIENTS; i++) {
		positions[i] = (struct position){ .at = { 1, 0 }, .types = POSITION_ALL_TYPES };
		intakes[i] = intake_new(INTAKE_GZIP);
		intakes[i]->write = swallow;
		intakes[i]->squeeze = bench.squeeze;
	}
	for (uint64_t n = 1; n <= EVENTS / 4; n++) {
		double began;

		push(&bench, n);
		squeeze_push(bench.squeeze, &(struct cursor){ 1, n }, 0, buf_str(&bench.frame),
		             1000);
		if (n % batch != 0) {
			continue;
		}
		began = cpu_us();
		for (size_t i = 0; i < CLIENTS; i++) {
			uint64_t events = 0;

			if (shared) {
				(void)intake_share(intakes[i], &positions[i], &events);
			} else {
				send_plain(&bench, &positions[i]);
			}
		}
		took += cpu_us() - began;
	}
	printf("deliver %-10s %2" PRIu64 " a write: %.3f us a delivery, without the write\n",
	       shared ? "compressed" : "plain", batch, took / ((double)EVENTS / 4 * CLIENTS));
	for (size_t i = 0; i < CLIENTS; i++) {
		intake_free(intakes[i]);
	}
	close_bench(&bench);
}

int main(void)
{
	compress(0);
	compress(64);
	compress(16);
	deliver(false, 1);
	deliver(true, 1);
	deliver(false, 16);
	deliver(true, 16);
	return 0;
}
