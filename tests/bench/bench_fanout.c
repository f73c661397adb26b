/*
 * What it costs to bring one session to many subscribers, beside a bare loop of writev().
 *
 *	bench_fanout [SUBSCRIBERS EVENTS_A_SECOND SECONDS]
 *
 * A child process holds the subscribers' sockets and reads; this process appends, each event
 *carrying the time at which it was due, so that a late append counts as latency.  CPU is that of
 *the whole streamer process: scheduler, Redis, parsing, encoding and sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/integration/streamer_world.h"

enum {
	SLOTS = 1 << 16,
	SLOT_US = 10,
	CARRY = 32,
	READ_MAX = 256 * 1024,
	EPOLL_MAX = 512,
	DATA_MAX = 256,
	PORT_FIRST = 21000,
	PORT_SPAN = 10000,
	WAIT_MS = 30000,
	DIGITS = 16,
};

static const char mark[] = "due=";

/* Shared with the reading child. */
struct results {
	volatile uint64_t connected, delivered, bytes, closed;
	volatile uint64_t slots[SLOTS];
};

struct load {
	unsigned subscribers, rate, seconds;
	bool stalled; /* they never read */
	struct results *results;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "bench_fanout: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool takes_gzip(void)
{
	const char *accept = getenv("VIEWERS_ACCEPT");

	return accept != NULL && strcmp(accept, "gzip") == 0;
}

/* ---- the reading child ---- */

struct reader {
	int fd;
	z_stream *gzip; /* NULL: plain */
	bool begun;     /* its gzip stream, behind the head of the answer */
	size_t carried;
	char carry[CARRY];
};

static void see(struct results *results, uint64_t due_us)
{
	uint64_t now_us = clock_mono_us();
	uint64_t slot = now_us > due_us ? (now_us - due_us) / SLOT_US : 0;

	results->slots[slot < SLOTS ? slot : SLOTS - 1]++;
	results->delivered++;
}

/* Count the marks; what may be the beginning of one is carried to the next read. */
static void scan(struct results *results, struct reader *reader, const char *bytes, size_t n)
{
	const size_t whole = sizeof(mark) - 1 + DIGITS;
	const char *at = bytes, *end = bytes + n;
	uint64_t due_us;

	while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
		if ((size_t)(end - at) < whole) {
			break;
		}
		if (parse_u64(str_make(at + sizeof(mark) - 1, DIGITS), UINT64_MAX, &due_us)) {
			see(results, due_us);
		}
		at += whole;
	}
	if (at == NULL) {
		at = n < sizeof(mark) ? bytes : end - (sizeof(mark) - 2);
	}
	reader->carried = (size_t)(end - at);
	memmove(reader->carry, at, reader->carried);
}

static void scan_plain(struct results *results, struct reader *reader, char *room, size_t n)
{
	memcpy(room, reader->carry, reader->carried);
	scan(results, reader, room, reader->carried + n);
}

static void unpack(struct results *results, struct reader *reader, char *in, size_t n)
{
	static char room[READ_MAX + CARRY];
	z_stream *gzip = reader->gzip;
	char *body = reader->begun ? in : memmem(in, n, "\r\n\r\n", 4);

	if (body == NULL) {
		return;
	}
	body += reader->begun ? 0 : 4;
	reader->begun = true;
	gzip->next_in = (Bytef *)body;
	gzip->avail_in = (uInt)(in + n - body);
	do {
		gzip->next_out = (Bytef *)room + CARRY;
		gzip->avail_out = READ_MAX;
		(void)inflate(gzip, Z_SYNC_FLUSH);
		scan_plain(results, reader, room + CARRY - reader->carried,
		           READ_MAX - gzip->avail_out);
	} while (gzip->avail_out == 0);
}

static void read_some(struct results *results, struct reader *reader, char *room)
{
	ssize_t n;

	n = read(reader->fd, room + CARRY, READ_MAX);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) {
			results->closed++;
			(void)close(reader->fd);
		}
		return;
	}
	results->bytes += (uint64_t)n;
	if (reader->gzip != NULL) {
		unpack(results, reader, room + CARRY, (size_t)n);
	} else {
		scan_plain(results, reader, room + CARRY - reader->carried, (size_t)n);
	}
}

static int dial(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		die("connect");
	}
	return fd;
}

static void read_for_ever(const struct load *load, unsigned port, const char *request)
{
	struct reader *readers = mem_calloc(load->subscribers, sizeof(*readers));
	struct epoll_event events[EPOLL_MAX];
	char *room = mem_calloc(READ_MAX + CARRY, 1);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < load->subscribers; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &readers[i] };

		readers[i].fd = dial(port);
		if (takes_gzip()) {
			readers[i].gzip = mem_calloc(1, sizeof(*readers[i].gzip));
			(void)inflateInit2(readers[i].gzip, 16 + MAX_WBITS);
		}
		if (write(readers[i].fd, request, strlen(request)) < 0 ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, readers[i].fd, &event) != 0) {
			die("subscribe");
		}
		/* One after the other: what requests in flight need is not what streams keep. */
		(void)poll(&(struct pollfd){ .fd = readers[i].fd, .events = POLLIN }, 1, WAIT_MS);
		load->results->connected++;
	}
	while (load->stalled) {
		(void)pause();
	}
	for (;;) {
		int count = epoll_wait(epoll, events, EPOLL_MAX, -1);

		for (int i = 0; i < count; i++) {
			read_some(load->results, events[i].data.ptr, room);
		}
	}
}

static pid_t start_readers(const struct load *load, unsigned port, const char *request)
{
	pid_t pid;

	memset(load->results, 0, sizeof(*load->results));
	pid = fork();
	if (pid == 0) {
		read_for_ever(load, port, request);
		_exit(0);
	}
	return pid;
}

static void stop_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static uint64_t percentile(const struct results *results, double part)
{
	uint64_t left = (uint64_t)((double)results->delivered * part);

	for (size_t i = 0; i < SLOTS; i++) {
		if (results->slots[i] > left) {
			return i * SLOT_US;
		}
		left -= results->slots[i];
	}
	return (uint64_t)SLOTS * SLOT_US;
}

/* ---- what a process used ---- */

static uint64_t read_number(pid_t pid, const char *file, int word)
{
	char path[64], text[256];
	struct str rest;
	uint64_t v = 0;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	(void)close(fd);
	rest = str_make(text, n > 0 ? (size_t)n : 0);
	for (int i = 0; i < word; i++) {
		(void)str_split(&rest, ' ');
	}
	return parse_u64(str_split(&rest, ' '), UINT64_MAX, &v) ? v : 0;
}

static uint64_t cpu_us(pid_t pid)
{
	return read_number(pid, "schedstat", 0) / 1000;
}

static uint64_t rss_bytes(pid_t pid)
{
	return read_number(pid, "statm", 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void report(const char *what, const struct load *load, uint64_t cpu, uint64_t took_us)
{
	const struct results *r = load->results;

	(void)printf("%-9s %6u subscribers %5u events/s: %9.0f delivered/s, %5.2f us CPU each, p50 "
	             "%.2f ms, p99 %.2f ms, %.0f bytes each, closed %" PRIu64 "\n",
	             what, load->subscribers, load->rate,
	             (double)r->delivered * 1e6 / (double)took_us,
	             (double)cpu / (double)(r->delivered > 0 ? r->delivered : 1),
	             (double)percentile(r, 0.5) / 1000, (double)percentile(r, 0.99) / 1000,
	             (double)r->bytes / (double)(r->delivered > 0 ? r->delivered : 1), r->closed);
	(void)fflush(stdout);
}

/* ---- the streamer ---- */

static void await_count(const volatile uint64_t *count, uint64_t wanted)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (*count < wanted && clock_mono_ms() < until) {
		(void)fiber_sleep(5);
	}
}

static void format_data(char out[DATA_MAX], uint64_t due_us)
{
	(void)snprintf(out, DATA_MAX,
	               "{\"level\":\"info\",\"stream\":\"stdout\",\"message\":\"%s%0*" PRIu64
	               " a line of output as agents write them, of a usual length\"}",
	               mark, DIGITS, due_us);
}

/* Events that are due, in one batch. */
static void append_due(struct world *world, const struct id *sid, const struct load *load,
                       uint64_t start_us, uint64_t *sent)
{
	static char data[EVENT_BATCH_MAX][DATA_MAX];
	struct log_new events[EVENT_BATCH_MAX];
	struct log_batch batch = { .sid = *sid, .tenant = TENANT, .events = events };
	struct log_result result;
	struct err err;

	while (batch.count < EVENT_BATCH_MAX) {
		uint64_t due_us = start_us + (*sent + batch.count) * 1000000 / load->rate;

		if (due_us > clock_mono_us() ||
		    *sent + batch.count >= (uint64_t)load->rate * load->seconds) {
			break;
		}
		format_data(data[batch.count], due_us);
		events[batch.count] = (struct log_new){ EVENT_TYPE_LOG, str_of(data[batch.count]) };
		batch.count++;
	}
	if (batch.count > 0 && (log_append(&world->store, &batch, &result, &err) != ERR_OK ||
	                        result.outcome != LOG_OK)) {
		die("append");
	}
	*sent += batch.count;
}

static struct load the_load;

static void measure_streamer(struct world *world)
{
	const struct load *load = &the_load;
	struct id sid = world_session(world);
	uint64_t total = (uint64_t)load->rate * load->seconds, sent = 0, cpu, start_us, empty;
	pid_t streamer = world->streamers[0].pid, readers;
	char request[512];

	(void)snprintf(request, sizeof(request),
	               "GET /api/v1/sessions/%s/events?starting_after=2 HTTP/1.1\r\nHost: b\r\n"
	               "Accept: text/event-stream\r\n%sAuthorization: ApiKey %s\r\n\r\n",
	               sid.s, takes_gzip() ? "Accept-Encoding: gzip\r\n" : "", world->key);
	empty = rss_bytes(streamer);
	readers = start_readers(load, world->port, request);
	await_count(&load->results->connected, load->subscribers);
	(void)fiber_sleep(1000);
	(void)printf("streamer  %6u subscribers: %.0f bytes of resident memory each, its pools "
	             "included\n",
	             load->subscribers, (double)(rss_bytes(streamer) - empty) / load->subscribers);
	cpu = cpu_us(streamer);
	start_us = clock_mono_us();
	while (sent < total) {
		append_due(world, &sid, load, start_us, &sent);
		(void)fiber_sleep(1);
	}
	await_count(&load->results->delivered, total * load->subscribers);
	report("streamer", load, cpu_us(streamer) - cpu, clock_mono_us() - start_us);
	stop_child(readers);
	if (load->results->delivered != total * load->subscribers) {
		(void)printf("streamer: %" PRIu64 " were expected\n", total * load->subscribers);
		exit(1);
	}
}

enum { STALLED = 100, STALLED_EVENTS = 2500, STALLED_DATA = 8192 };

/* What readers that do not read cost: a session of 20 MB goes by. */
static void measure_stalled(struct world *world)
{
	static char data[STALLED_DATA];
	const struct load *load = &the_load;
	struct id sid = world_session(world);
	pid_t readers, streamer = world->streamers[0].pid;
	char request[512];
	uint64_t before;

	world->store.unarchived_max = UINT32_MAX;
	memset(data, 'x', sizeof(data));
	memcpy(data, "{\"message\":\"", 12);
	memcpy(data + sizeof(data) - 2, "\"}", 2);
	(void)snprintf(request, sizeof(request),
	               "GET /api/v1/sessions/%s/events HTTP/1.1\r\nHost: b\r\n"
	               "Accept: text/event-stream\r\nAuthorization: ApiKey %s\r\n\r\n",
	               sid.s, world->key);
	readers = start_readers(load, world->port, request);
	await_count(&load->results->connected, load->subscribers);
	(void)fiber_sleep(1000);
	before = rss_bytes(streamer);
	for (unsigned i = 0; i < STALLED_EVENTS; i++) {
		(void)world_append(world, &sid, EVENT_TYPE_NOTE, str_make(data, sizeof(data)));
	}
	(void)fiber_sleep(1000);
	(void)printf(
		"stalled   %6u subscribers of a session of %d MB: %.0f KB more resident memory "
		"in all\n",
		load->subscribers, STALLED_EVENTS * STALLED_DATA / 1000000,
		((double)rss_bytes(streamer) - (double)before) / 1024);
	stop_child(readers);
}

/* ---- the bare loop ---- */

static void accept_all(int listening, int *fds, unsigned count)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	int on = 1;

	for (unsigned i = 0; i < count; i++) {
		fds[i] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fds[i] < 0 || write(fds[i], head, sizeof(head) - 1) < 0) {
			die("accept");
		}
		(void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
}

/* What is due, to everybody in one write each. */
static void write_due(const struct load *load, const int *fds, uint64_t start_us, uint64_t *sent)
{
	static char frames[EVENT_BATCH_MAX][2 * DATA_MAX];
	struct iovec iov[EVENT_BATCH_MAX];
	char data[DATA_MAX];
	int count = 0;

	while (count < 16 && *sent < (uint64_t)load->rate * load->seconds) {
		uint64_t due_us = start_us + *sent * 1000000 / load->rate;
		int n;

		if (due_us > clock_mono_us()) {
			break;
		}
		format_data(data, due_us);
		n = snprintf(frames[count], sizeof(frames[count]),
		             "id: 1-%" PRIu64
		             "\nevent: log\ndata: {\"type\":\"log\",\"ts\":\"2026-01-"
		             "01T00:00:00.000Z\",\"sessionId\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\","
		             "\"seq\":%" PRIu64 ",\"id\":\"1-%" PRIu64 "\",%s\n\n",
		             *sent, *sent, *sent, data + 1);
		iov[count] = (struct iovec){ frames[count], (size_t)n };
		count++;
		(*sent)++;
	}
	for (unsigned i = 0; count > 0 && i < load->subscribers; i++) {
		if (writev(fds[i], iov, count) < 0) {
			die("writev");
		}
	}
}

static uint64_t own_cpu_us(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void measure_bare(const struct load *load, unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	int *fds = mem_calloc(load->subscribers, sizeof(*fds));
	uint64_t total = (uint64_t)load->rate * load->seconds, sent = 0, start_us, cpu;
	pid_t readers;

	(void)setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listening, 1024) != 0) {
		die("listen");
	}
	readers = start_readers(load, port, "GET / HTTP/1.1\r\n\r\n");
	accept_all(listening, fds, load->subscribers);
	cpu = own_cpu_us();
	start_us = clock_mono_us();
	while (sent < total) {
		write_due(load, fds, start_us, &sent);
		(void)poll(NULL, 0, 1);
	}
	cpu = own_cpu_us() - cpu;
	while (load->results->delivered < total * load->subscribers && load->results->closed == 0) {
		(void)poll(NULL, 0, 1);
	}
	report("writev", load, cpu, clock_mono_us() - start_us);
	stop_child(readers);
	for (unsigned i = 0; i < load->subscribers; i++) {
		(void)close(fds[i]);
	}
	(void)close(listening);
	free(fds);
}

static unsigned run_world(void (*body)(struct world *world))
{
	static const char *const settings[] = { "FAIRLEAD_HTTP_MAX_CONNECTIONS=20000",
		                                "FAIRLEAD_STREAM_KEEPALIVE=15s", NULL };
	unsigned port = PORT_FIRST + (unsigned)(clock_mono_us() % PORT_SPAN);
	struct world world = { .body = body, .settings = settings, .port = port };

	world_run(&world);
	return port;
}

static void measure(unsigned subscribers, unsigned rate, unsigned seconds)
{
	the_load.subscribers = subscribers;
	the_load.rate = rate;
	the_load.seconds = seconds;
	measure_bare(&the_load, run_world(measure_streamer) + STREAMERS);
}

static unsigned number_of(const char *text)
{
	uint64_t v;

	if (!parse_u64(str_of(text), 1000000, &v) || v == 0) {
		(void)fprintf(stderr,
		              "usage: bench_fanout [SUBSCRIBERS EVENTS_A_SECOND SECONDS]\n");
		exit(2);
	}
	return (unsigned)v;
}

int main(int argc, char **argv)
{
	struct rlimit files;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 20000 ? files.rlim_max : 20000;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	the_load.results = mmap(NULL, sizeof(struct results), PROT_READ | PROT_WRITE,
	                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (the_load.results == MAP_FAILED) {
		die("mmap");
	}
	if (argc == 4) {
		measure(number_of(argv[1]), number_of(argv[2]), number_of(argv[3]));
	} else {
		measure(1000, 50, 4);
		measure(1000, 1000, 4);
		measure(5000, 10, 4);
		the_load.subscribers = STALLED;
		the_load.stalled = true;
		(void)run_world(measure_stalled);
	}
	return 0;
}
