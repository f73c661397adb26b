/* A session's journal: what it keeps, what a crash leaves of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"
#include "worker/journal.h"

static char dir[] = "/tmp/fairlead-journal-XXXXXX";
static struct id sid;

static int make_dir(void **state)
{
	(void)state;
	sid = id_new();
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static const char *path_of(void)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, sid.s);
	return path;
}

static struct log_event event_at(uint64_t n, const char *data)
{
	return (struct log_event){ .at = { 2, n },
		                   .ts_ms = 1700000000000 + (int64_t)n,
		                   .type = STR_LIT("log"),
		                   .level = STR_LIT("info"),
		                   .data = str_of(data),
		                   .producer = STR_LIT("w:1"),
		                   .seq = n * 2,
		                   .state = n % 3 == 0 ? STR_LIT("running") : STR_LIT("") };
}

static struct journal *filled(uint64_t first, uint64_t last)
{
	struct journal *journal = NULL;
	struct err err;

	assert_int_equal(journal_create(dir, &sid, "acme", &journal, &err), ERR_OK);
	for (uint64_t n = first; n <= last; n++) {
		struct log_event event = event_at(n, "{\"message\":\"x\"}");

		assert_int_equal(journal_add(journal, &event, &err), ERR_OK);
	}
	return journal;
}

/* Every entry after `after` is there once, in order, whole; returns how many. */
static size_t count_after(const struct journal *journal, uint64_t after)
{
	struct journal_page page;
	size_t count = 0;
	struct err err;

	journal_page_init(&page);
	do {
		assert_int_equal(journal_read(journal, after, &page, &err), ERR_OK);
		for (size_t i = 0; i < page.count; i++) {
			struct log_event want =
				event_at(page.events[i].at.n, "{\"message\":\"x\"}");
			const struct log_event *got = &page.events[i];

			assert_true(got->at.n > after);
			assert_int_equal(got->at.epoch, 2);
			assert_int_equal(got->ts_ms, want.ts_ms);
			assert_int_equal(got->seq, want.seq);
			assert_true(str_eq(got->type, want.type) && str_eq(got->level, want.level));
			assert_true(str_eq(got->data, want.data) && str_eq(got->state, want.state));
			assert_true(str_eq(got->producer, want.producer));
			count++;
		}
	} while (page.count > 0);
	journal_page_fini(&page);
	return count;
}

static void what_is_added_is_read_back_in_pages(void **state)
{
	struct journal *journal = filled(5, 204);

	(void)state;
	assert_int_equal(journal_base(journal), 4);
	assert_int_equal(journal_last(journal).n, 204);
	assert_int_equal(count_after(journal, 0), 200);
	assert_int_equal(count_after(journal, 104), 100);
	assert_int_equal(count_after(journal, 204), 0);
	journal_discard(journal);
	assert_int_equal(access(path_of(), F_OK), -1);
}

static void an_entry_out_of_order_is_refused(void **state)
{
	struct journal *journal = filled(1, 3);
	struct log_event again = event_at(3, "{}"), hole = event_at(5, "{}");
	struct err err;

	(void)state;
	assert_int_equal(journal_add(journal, &again, &err), ERR_SEQUENCE);
	assert_int_equal(journal_add(journal, &hole, &err), ERR_SEQUENCE);
	assert_int_equal(count_after(journal, 0), 3);
	journal_discard(journal);
}

static void what_is_archived_is_forgotten(void **state)
{
	struct journal *journal = filled(1, 100);
	struct log_event next = event_at(101, "{\"message\":\"x\"}");
	uint64_t before = journal_size(journal);
	struct err err;

	(void)state;
	assert_int_equal(journal_trim(journal, 60, &err), ERR_OK);
	assert_true(journal_size(journal) < before / 2);
	assert_int_equal(journal_base(journal), 60);
	assert_int_equal(count_after(journal, 0), 40);
	assert_int_equal(journal_add(journal, &next, &err), ERR_OK);
	journal_close(journal);
	assert_int_equal(journal_open(dir, &sid, &journal, &err), ERR_OK);
	assert_string_equal(journal_tenant(journal), "acme");
	assert_int_equal(journal_base(journal), 60);
	assert_int_equal(count_after(journal, 0), 41);
	/* All of it: any entry may follow. */
	assert_int_equal(journal_trim(journal, 500, &err), ERR_OK);
	assert_int_equal(count_after(journal, 0), 0);
	next = event_at(501, "{\"message\":\"x\"}");
	assert_int_equal(journal_add(journal, &next, &err), ERR_OK);
	assert_int_equal(count_after(journal, 0), 1);
	journal_discard(journal);
}

/* Every length a crash may have left: whole entries stay, and it can be added to. */
static void a_torn_tail_is_cut_off_wherever_it_is_torn(void **state)
{
	struct journal *journal = filled(1, 4);
	uint64_t whole = journal_size(journal), header, entry;
	struct err err;

	(void)state;
	assert_int_equal(journal_trim(journal, 4, &err), ERR_OK);
	header = journal_size(journal);
	entry = (whole - header - 7) / 4; /* one of the four has the 7 bytes of "running" */
	journal_discard(journal);
	for (uint64_t length = whole; length >= header; length--) {
		struct log_event next;
		uint64_t left;

		journal_close(filled(1, 4));
		assert_int_equal(truncate(path_of(), (off_t)length), 0);
		assert_int_equal(journal_open(dir, &sid, &journal, &err), ERR_OK);
		left = journal_last(journal).n;
		assert_int_equal(count_after(journal, 0), left);
		assert_true(length == whole ? left == 4 : left <= (length - header) / entry);
		assert_true(left + 1 >= (length - header) / (entry + 7));
		next = event_at(left + 1, "{\"message\":\"x\"}");
		assert_int_equal(journal_add(journal, &next, &err), ERR_OK);
		assert_int_equal(count_after(journal, 0), left + 1);
		journal_discard(journal);
	}
}

static void a_flipped_byte_ends_the_journal_there(void **state)
{
	struct err err;
	uint64_t whole;
	struct journal *journal = filled(1, 4);

	(void)state;
	whole = journal_size(journal);
	journal_discard(journal);
	for (uint64_t at = 0; at < whole; at++) {
		unsigned char byte;
		int fd;

		journal_close(filled(1, 4));
		fd = open(path_of(), O_RDWR | O_CLOEXEC);
		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 0x41;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		(void)close(fd);
		if (journal_open(dir, &sid, &journal, &err) == ERR_OK) {
			assert_true(journal_last(journal).n <= 4);
			assert_int_equal(count_after(journal, 0), journal_last(journal).n);
			journal_discard(journal);
		} else {
			assert_int_equal(err.code, ERR_INVALID);
			(void)unlink(path_of());
		}
	}
}

static void a_file_that_is_no_journal_is_refused(void **state)
{
	struct journal *journal;
	struct err err;
	int fd = open(path_of(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(dprintf(fd, "fairlead journal 2\nacme\n"), 24);
	(void)close(fd);
	assert_int_equal(journal_open(dir, &sid, &journal, &err), ERR_INVALID);
	(void)unlink(path_of());
	assert_int_equal(journal_open(dir, &sid, &journal, &err), ERR_UNAVAILABLE);
}

static void the_largest_event_fits_and_a_larger_one_does_not(void **state)
{
	const size_t beyond = (size_t)EVENT_DATA_MAX + 2048;
	char *data = malloc(beyond);
	struct journal *journal = filled(1, 1);
	struct log_event event = event_at(2, "");
	struct err err;

	(void)state;
	assert_non_null(data);
	memset(data, 'x', beyond);
	event.data = str_make(data, beyond);
	assert_int_equal(journal_add(journal, &event, &err), ERR_TOO_LARGE);
	assert_int_equal(journal_last(journal).n, 1);
	event.data.n = EVENT_DATA_MAX;
	assert_int_equal(journal_add(journal, &event, &err), ERR_OK);
	assert_int_equal(journal_last(journal).n, 2);
	journal_discard(journal);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_read_back_in_pages),
		cmocka_unit_test(an_entry_out_of_order_is_refused),
		cmocka_unit_test(what_is_archived_is_forgotten),
		cmocka_unit_test(a_torn_tail_is_cut_off_wherever_it_is_torn),
		cmocka_unit_test(a_flipped_byte_ends_the_journal_there),
		cmocka_unit_test(a_file_that_is_no_journal_is_refused),
		cmocka_unit_test(the_largest_event_fits_and_a_larger_one_does_not),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
