#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/line.h"

/* Events beyond LOG_EVENTS_MAX share the last slot: bounded, and still limited. */
enum { LOG_EVENTS_MAX = 256, LOG_EVENT_NAME_MAX = 64 };

enum log_sink { SINK_PLAIN, SINK_SOCKET, SINK_NONBLOCK };

struct log_event {
	char name[LOG_EVENT_NAME_MAX];
	uint64_t second;
	unsigned written;
	uint64_t held; /* not written in that second */
};

static struct {
	struct log_options options;
	const char *(*context)(void);
	enum log_sink sink;
	int fd;
	int reopened; /* a descriptor of our own for the same pipe, -1: none */
	bool torn;    /* the last write ended inside a line */
	uint64_t dropped_told;
	struct log_stats stats;
	size_t event_count;
	struct log_event events[LOG_EVENTS_MAX];
} log_state = {
	.options = { "fairlead", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, LOG_RATE_DEFAULT,
	             STDERR_FILENO },
	.fd = STDERR_FILENO,
	.reopened = -1,
};

static const char *const level_names[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

/*
 * O_NONBLOCK belongs to the open file, which we share with whoever started us; so a pipe or a
 * terminal is opened anew.  A socket takes the flag with each call; a file never blocks.
 */
static void choose_sink(int fd)
{
	char path[32];
	struct stat st;

	log_state.fd = fd;
	log_state.sink = SINK_PLAIN;
	if (log_state.reopened >= 0) {
		(void)close(log_state.reopened);
		log_state.reopened = -1;
	}
	if (fstat(fd, &st) != 0) {
		return;
	}
	if (S_ISSOCK(st.st_mode)) {
		log_state.sink = SINK_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		log_state.sink = SINK_NONBLOCK;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		log_state.reopened = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	}
}

void log_setup(const struct log_options *options)
{
	log_state.options = *options;
	choose_sink(options->fd);
}

void log_set_level(enum log_level level)
{
	log_state.options.level = level;
}

void log_set_context(const char *(*fn)(void))
{
	log_state.context = fn;
}

void log_stats(struct log_stats *ret)
{
	*ret = log_state.stats;
}

static ssize_t write_some(const char *p, size_t n)
{
	struct pollfd poll_fd = { .fd = log_state.fd, .events = POLLOUT };

	if (log_state.sink == SINK_SOCKET) {
		return send(log_state.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (log_state.sink == SINK_PLAIN) {
		return write(log_state.fd, p, n);
	}
	if (log_state.reopened >= 0) {
		return write(log_state.reopened, p, n);
	}
	/* It could not be opened anew (another user's): a pipe with room takes PIPE_BUF bytes at
	 * once. */
	if (poll(&poll_fd, 1, 0) != 1 || (poll_fd.revents & POLLOUT) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(log_state.fd, p, n);
}

static bool write_line(const struct log_line *line)
{
	ssize_t n;

	if (log_state.torn) {
		if (write_some("\n", 1) != 1) {
			return false;
		}
		log_state.torn = false;
	}
	do {
		n = write_some(line->text, line->len);
	} while (n < 0 && errno == EINTR);
	log_state.torn = n > 0 && (size_t)n < line->len;
	return n > 0 && (size_t)n == line->len;
}

static void begin_line(struct log_line *line, enum log_level level, const char *event)
{
	char ts[CLOCK_RFC3339_SIZE];

	clock_format(clock_wall_us(), ts);
	log_line_begin(line, log_state.options.format);
	log_line_field(line, STR_LIT("ts"), str_of(ts));
	log_line_field(line, STR_LIT("level"), str_of(level_names[level]));
	log_line_field(line, STR_LIT("program"), str_of(log_state.options.program));
	log_line_field(line, STR_LIT("event"), str_of(event));
}

static bool emit(struct log_line *line, enum log_level level)
{
	log_line_end(line);
	if (!write_line(line)) {
		log_state.stats.dropped++;
		return false;
	}
	log_state.stats.lines[level]++;
	return true;
}

static void tell_dropped(void)
{
	uint64_t count = log_state.stats.dropped - log_state.dropped_told;
	uint64_t before = log_state.stats.dropped;
	struct log_line line;

	if (count == 0) {
		return;
	}
	begin_line(&line, LOG_LEVEL_WARN, "log.dropped");
	log_line_number(&line, STR_LIT("lines"), count);
	if (emit(&line, LOG_LEVEL_WARN)) {
		log_state.dropped_told = before;
	} else {
		log_state.stats.dropped = before; /* the report itself is not a lost line */
	}
}

static void tell_held(struct log_event *event)
{
	struct log_line line;

	begin_line(&line, LOG_LEVEL_WARN, "log.suppressed");
	log_line_field(&line, STR_LIT("of"), str_of(event->name));
	log_line_number(&line, STR_LIT("lines"), event->held);
	event->held = 0;
	(void)emit(&line, LOG_LEVEL_WARN);
}

static struct log_event *find_event(const char *name)
{
	struct log_event *event;

	for (size_t i = 0; i < log_state.event_count; i++) {
		if (strncmp(log_state.events[i].name, name, LOG_EVENT_NAME_MAX - 1) == 0) {
			return &log_state.events[i];
		}
	}
	if (log_state.event_count == LOG_EVENTS_MAX) {
		return &log_state.events[LOG_EVENTS_MAX - 1];
	}
	event = &log_state.events[log_state.event_count++];
	(void)snprintf(event->name, sizeof(event->name), "%s",
	               log_state.event_count == LOG_EVENTS_MAX ? "(others)" : name);
	return event;
}

static bool over_rate(const char *name)
{
	uint64_t second = clock_mono_ms() / 1000;
	struct log_event *event;

	if (log_state.options.rate == 0) {
		return false;
	}
	event = find_event(name);
	if (event->second != second) {
		event->second = second;
		event->written = 0;
		if (event->held > 0) {
			tell_held(event);
		}
	}
	if (event->written >= log_state.options.rate) {
		event->held++;
		log_state.stats.suppressed++;
		return true;
	}
	event->written++;
	return false;
}

void log_tick(void)
{
	uint64_t second = clock_mono_ms() / 1000;

	tell_dropped();
	for (size_t i = 0; i < log_state.event_count; i++) {
		if (log_state.events[i].held > 0 && log_state.events[i].second != second) {
			tell_held(&log_state.events[i]);
		}
	}
}

static void PRINTF_LIKE(4, 0) write_fields(enum log_level level, const char *event,
                                           const char *context, const char *fmt, va_list ap)
{
	struct log_line line;

	tell_dropped();
	begin_line(&line, level, event);
	log_line_context(&line, str_of(context));
	log_line_format(&line, fmt, ap);
	(void)emit(&line, level);
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	int saved = errno; /* callers log, then report errno */
	va_list ap;

	if (level > log_state.options.level) {
		return;
	}
	if (!over_rate(event)) {
		va_start(ap, fmt);
		write_fields(level, event, log_state.context != NULL ? log_state.context() : "",
		             fmt, ap);
		va_end(ap);
	}
	errno = saved;
}

void log_write_each(const char *event, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (LOG_LEVEL_INFO <= log_state.options.level) {
		va_start(ap, fmt);
		write_fields(LOG_LEVEL_INFO, event, "", fmt, ap);
		va_end(ap);
	}
	errno = saved;
}
