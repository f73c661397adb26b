/* The audit's chains in PostgreSQL: what is added stays, and whatever a superuser does to it is
 * found.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit_check.h"
#include "audit/audit_list.h"
#include "audit/denials.h"
#include "base/mem.h"
#include "pg_world.h"

enum { ROWS = 6, WRITERS = 4, EACH = 5 };

static struct cred_pepper the_key(void)
{
	struct cred_pepper secret = cred_pepper_from(STR_LIT("a secret of the tests"));

	return audit_key(&secret);
}

/* ---- adding ---- */

static struct audit_entry entry_of(const char *chain, const char *action)
{
	return (struct audit_entry){ .chain = chain,
		                     .who = { .kind = STR_LIT("key"),
		                              .id = STR_LIT("01TEST"),
		                              .name = STR_LIT("a key"),
		                              .address = STR_LIT("192.0.2.1"),
		                              .agent = STR_LIT("tests/1"),
		                              .request = STR_LIT("r1") },
		                     .action = str_of(action),
		                     .object = STR_LIT("key:x"),
		                     .outcome = AUDIT_DONE };
}

static void add(struct pg *pg, const char *chain, const char *action)
{
	const struct cred_pepper key = the_key();
	const struct audit_entry entry = entry_of(chain, action);
	struct err err;

	if (audit_write(pg, &key, &entry, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

/* Chains of ROWS rows for two tenants, and that of none. */
static void begin(struct world *world)
{
	SQL(test_audit_off, "ALTER TABLE audit DISABLE TRIGGER USER");
	SQL(test_heads_off, "ALTER TABLE audit_heads DISABLE TRIGGER USER");
	SQL(test_audit_clear, "DELETE FROM audit");
	SQL(test_heads_clear, "DELETE FROM audit_heads");

	make_tenant(world->pg, "ta");
	make_tenant(world->pg, "tb");
	tell(world->admin, "", &test_audit_off, NULL);
	tell(world->admin, "", &test_heads_off, NULL);
	tell(world->admin, "", &test_audit_clear, NULL);
	tell(world->admin, "", &test_heads_clear, NULL);
	for (unsigned i = 0; i < ROWS; i++) {
		add(world->pg, "ta", "key.create");
		add(world->pg, "tb", "user.change");
	}
}

/* ---- checking ---- */

struct seen {
	unsigned flaws, chains, whole;
	char chain[80];
	uint64_t n;
	char what[160];
	struct audit_end end;
};

static void on_found(void *arg, const char *chain, uint64_t n, const char *what)
{
	struct seen *seen = arg;

	if (seen->flaws++ == 0) {
		(void)snprintf(seen->chain, sizeof(seen->chain), "%s", chain);
		(void)snprintf(seen->what, sizeof(seen->what), "%s", what);
		seen->n = n;
	}
}

static void on_checked(void *arg, const struct audit_end *end, bool is_whole)
{
	struct seen *seen = arg;

	seen->chains++;
	seen->whole += is_whole;
	if (strcmp(end->chain, "ta") == 0) {
		seen->end = *end;
		seen->end.chain = "ta";
	}
}

static struct seen check(struct world *world, const struct audit_end *anchor)
{
	const struct cred_pepper key = the_key();
	struct seen seen = { .flaws = 0 };
	const struct audit_check what = { .pg = world->pg,
		                          .key = &key,
		                          .anchor = anchor,
		                          .arg = &seen,
		                          .found = on_found,
		                          .checked = on_checked };
	uint64_t flaws = 0;
	struct err err;

	assert_int_equal(audit_check(&what, &flaws, &err), ERR_OK);
	assert_int_equal(flaws, seen.flaws);
	return seen;
}

static void expect_whole(struct world *world)
{
	struct seen seen = check(world, NULL);

	if (seen.flaws > 0) {
		fail_msg("%s %" PRIu64 " %s", seen.chain, seen.n, seen.what);
	}
	assert_int_equal(seen.whole, seen.chains);
	assert_int_equal(seen.chains, 3);
}

/* The first flaw: in that chain, at that row, with that word. */
static void expect_flaw(struct world *world, const char *chain, uint64_t n, const char *word)
{
	struct seen seen = check(world, NULL);

	assert_true(seen.flaws > 0);
	assert_string_equal(seen.chain, chain);
	assert_int_equal(seen.n, n);
	if (strstr(seen.what, word) == NULL) {
		fail_msg("%s", seen.what);
	}
}

static void whole_body(struct world *world)
{
	begin(world);
	expect_whole(world);
}

static void what_was_added_is_whole(void **state)
{
	(void)state;
	world_run(whole_body);
}

/* ---- meddling ---- */

static void each_field_body(struct world *world)
{
	static const char *const edits[] = {
		"UPDATE audit SET at = at + interval '1 microsecond' WHERE tenant_id = 'ta' AND n "
		"= 3",
		"UPDATE audit SET actor_kind = 'user' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET actor = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET actor_name = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET address = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET agent = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET action = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET object = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET outcome = 'failed' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET request_id = 'x' WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET detail = '{\"a\":1}' WHERE tenant_id = 'ta' AND n = 3",
		/* A boundary between two fields is moved. */
		"UPDATE audit SET action = action || 'k', object = substr(object, 2) "
		"WHERE tenant_id = 'ta' AND n = 3",
		"UPDATE audit SET hash = '\\x00' WHERE tenant_id = 'ta' AND n = 3",
	};

	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		char name[32];
		struct text edit = { name, "0000000000000000", edits[i], strlen(edits[i]) };

		(void)snprintf(name, sizeof(name), "test_audit_edit_%zu", i);
		begin(world);
		tell(world->admin, "", &edit, NULL);
		expect_flaw(world, "ta", 3, "was changed");
	}
}

static void a_change_in_any_field_is_found(void **state)
{
	(void)state;
	world_run(each_field_body);
}

static void missing_body(struct world *world)
{
	SQL(test_cut_middle, "DELETE FROM audit WHERE tenant_id = 'ta' AND n = 3");
	SQL(test_cut_first, "DELETE FROM audit WHERE tenant_id = 'ta' AND n = 1");
	SQL(test_cut_last, "DELETE FROM audit WHERE tenant_id = 'ta' AND n = 6");
	SQL(test_cut_all, "DELETE FROM audit WHERE tenant_id = 'ta'");
	SQL(test_cut_head, "DELETE FROM audit_heads WHERE tenant_id = 'ta'");
	SQL(test_close_gap, "UPDATE audit SET n = n - 1 WHERE tenant_id = 'ta' AND n = 4");

	begin(world);
	tell(world->admin, "", &test_cut_middle, NULL);
	expect_flaw(world, "ta", 3, "missing");
	tell(world->admin, "", &test_close_gap, NULL);
	expect_flaw(world, "ta", 3, "does not follow");
	begin(world);
	tell(world->admin, "", &test_cut_first, NULL);
	expect_flaw(world, "ta", 1, "missing");
	begin(world);
	tell(world->admin, "", &test_cut_last, NULL);
	expect_flaw(world, "ta", 6, "missing");
	begin(world);
	tell(world->admin, "", &test_cut_all, NULL);
	expect_flaw(world, "ta", 1, "missing");
	tell(world->admin, "", &test_cut_head, NULL);
	expect_flaw(world, "ta", 0, "is gone");
	/* Begun anew, it is found still. */
	add(world->pg, "ta", "key.create");
	expect_flaw(world, ".", 3, "had begun");
	begin(world);
	tell(world->admin, "", &test_cut_head, NULL);
	expect_flaw(world, "ta", 1, "beyond");
}

static void missing_rows_heads_and_chains_are_found(void **state)
{
	(void)state;
	world_run(missing_body);
}

static void order_body(struct world *world)
{
	SQL(test_swap_out, "UPDATE audit SET n = 100 WHERE tenant_id = 'ta' AND n = 3");
	SQL(test_swap_down, "UPDATE audit SET n = 3 WHERE tenant_id = 'ta' AND n = 4");
	SQL(test_swap_in, "UPDATE audit SET n = 4 WHERE tenant_id = 'ta' AND n = 100");
	SQL(test_steal,
	    "UPDATE audit SET tenant_id = 'tb', n = 7 WHERE tenant_id = 'ta' AND n = 6");

	begin(world);
	tell(world->admin, "", &test_swap_out, NULL);
	tell(world->admin, "", &test_swap_down, NULL);
	tell(world->admin, "", &test_swap_in, NULL);
	expect_flaw(world, "ta", 3, "does not follow");
	begin(world);
	tell(world->admin, "", &test_steal, NULL);
	expect_flaw(world, "ta", 6, "missing");
}

static void another_order_is_found(void **state)
{
	(void)state;
	world_run(order_body);
}

/* Rows with hashes that fit, but a head that nobody without the key can make. */
static void forged_body(struct world *world)
{
	SQL(test_forge_cut, "DELETE FROM audit WHERE tenant_id = 'ta' AND n > 4");
	SQL(test_forge_head, "UPDATE audit_heads h SET n = 4, hash = a.hash FROM audit a "
	                     "WHERE h.tenant_id = 'ta' AND a.tenant_id = 'ta' AND a.n = 4");
	SQL(test_back_to, "UPDATE audit_heads h SET n = 4, hash = a.hash FROM audit a "
	                  "WHERE h.tenant_id = 'tb' AND a.tenant_id = 'tb' AND a.n = 4");

	begin(world);
	tell(world->admin, "", &test_forge_cut, NULL);
	tell(world->admin, "", &test_forge_head, NULL);
	expect_flaw(world, "ta", 0, "not ours");
	/* What is added afterwards is added, and does not make it whole. */
	add(world->pg, "ta", "key.revoke");
	expect_flaw(world, "ta", 5, "had been changed");
	begin(world);
	tell(world->admin, "", &test_back_to, NULL);
	add(world->pg, "tb", "key.revoke");
	assert_true(check(world, NULL).flaws > 0);
}

static void a_forged_end_is_found_also_after_more_was_added(void **state)
{
	(void)state;
	world_run(forged_body);
}

static void restored_body(struct world *world)
{
	SQL(test_keep_heads, "CREATE TABLE test_heads AS SELECT * FROM audit_heads");
	SQL(test_undo_rows, "DELETE FROM audit WHERE tenant_id = 'ta' AND n > 6");
	SQL(test_undo_head, "UPDATE audit_heads h SET n = o.n, hash = o.hash, mac = o.mac "
	                    "FROM test_heads o WHERE o.tenant_id = h.tenant_id");
	SQL(test_drop_heads, "DROP TABLE test_heads");
	struct audit_end once;

	begin(world);
	tell(world->admin, "", &test_keep_heads, NULL);
	add(world->pg, "ta", "key.revoke");
	once = check(world, NULL).end;
	assert_int_equal(once.n, ROWS + 1);
	assert_int_equal(check(world, &once).flaws, 0);
	tell(world->admin, "", &test_undo_rows, NULL);
	tell(world->admin, "", &test_undo_head, NULL);
	tell(world->admin, "", &test_drop_heads, NULL);
	expect_whole(world);
	assert_int_equal(check(world, &once).flaws, 1);
	/* Another row in its place is not it. */
	add(world->pg, "ta", "key.create");
	assert_int_equal(check(world, &once).flaws, 1);
}

static void an_older_state_is_found_by_an_end_that_was_kept(void **state)
{
	(void)state;
	world_run(restored_body);
}

/* ---- several at once ---- */

struct writer {
	struct world *world;
	unsigned done;
};

static void write_some(void *arg)
{
	struct writer *writer = arg;

	for (unsigned i = 0; i < EACH; i++) {
		add(writer->world->pg, "ta", "key.create");
		writer->done++;
	}
}

static void concurrent_body(struct world *world)
{
	struct writer writers[WRITERS];
	struct seen seen;

	begin(world);
	for (size_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .world = world };
		(void)fiber_start(world->loop, &world->group, "writer", write_some, &writers[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	expect_whole(world);
	seen = check(world, NULL);
	assert_int_equal(seen.end.n, ROWS + WRITERS * EACH);
}

static void many_at_once_make_one_chain(void **state)
{
	(void)state;
	world_run(concurrent_body);
}

/* ---- with the act ---- */

static void joined_body(struct world *world)
{
	SQL(test_join_act, "UPDATE tenants SET name = 'another' WHERE id = 'ta'");
	SQL(test_join_name, "SELECT count(*) FROM tenants WHERE id = 'ta' AND name = 'another'");
	SQL(test_join_undo, "UPDATE tenants SET name = 'ta' WHERE id = 'ta'");
	const struct cred_pepper key = the_key();
	const struct audit_entry entry = entry_of("ta", "tenant.rename");
	struct pg_tx *tx, *part;
	struct err err;

	begin(world);
	tell(world->pg, "", &test_join_undo, NULL);
	/* Taken back together, whoever's functions did it. */
	assert_int_equal(pg_begin(world->pg, "tb", &tx, &err), ERR_OK);
	pg_join(world->pg, tx);
	tell(world->pg, "ta", &test_join_act, NULL);
	assert_int_equal(number(world->pg, "ta", &test_join_name), 1);
	assert_int_equal(number(world->pg, "tb", &test_join_name), 0);
	assert_int_equal(audit_append(tx, &key, &entry, &err), ERR_OK);
	pg_rollback(tx);
	assert_int_equal(number(world->pg, "", &test_join_name), 0);
	assert_int_equal(check(world, NULL).end.n, ROWS);
	/* A part that is taken back takes the whole with it. */
	assert_int_equal(pg_begin(world->pg, "ta", &tx, &err), ERR_OK);
	pg_join(world->pg, tx);
	assert_int_equal(pg_begin(world->pg, "ta", &part, &err), ERR_OK);
	assert_int_equal(pg_tx_query(part, &test_join_act, NULL, NULL, &err), ERR_OK);
	pg_rollback(part);
	assert_int_equal(audit_append(tx, &key, &entry, &err), ERR_INTERNAL);
	assert_int_equal(pg_commit(tx, &err), ERR_INTERNAL);
	assert_int_equal(number(world->pg, "", &test_join_name), 0);
	/* And together it happens. */
	assert_int_equal(pg_begin(world->pg, "ta", &tx, &err), ERR_OK);
	pg_join(world->pg, tx);
	assert_int_equal(pg_begin(world->pg, "", &part, &err), ERR_OK);
	assert_int_equal(pg_tx_query(part, &test_join_act, NULL, NULL, &err), ERR_OK);
	assert_int_equal(pg_commit(part, &err), ERR_OK);
	assert_int_equal(audit_append(tx, &key, &entry, &err), ERR_OK);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
	assert_int_equal(number(world->pg, "", &test_join_name), 1);
	assert_int_equal(check(world, NULL).end.n, ROWS + 1);
	expect_whole(world);
	tell(world->pg, "", &test_join_undo, NULL);
}

static void an_act_and_its_row_are_one(void **state)
{
	(void)state;
	world_run(joined_body);
}

/* ---- what a peer writes ---- */

static void odd_body(struct world *world)
{
	const struct cred_pepper key = the_key();
	struct audit_entry entry = entry_of("ta", "key.create");
	struct arena *arena = arena_new();
	const struct audit_filter filter = { .chain = "ta", .max = 1 };
	struct audit_list list;
	struct buf out;
	char longer[1000];
	struct err err;

	begin(world);
	memset(longer, 'a', sizeof(longer));
	entry.who.agent = STR_LIT("a\x00\r\n\xff\xc3(\xe2\x82\xac");
	entry.who.name = STR_LIT("=1+\"1\"");
	entry.object = str_make(longer, sizeof(longer));
	entry.detail = str_make(longer, sizeof(longer));
	assert_int_equal(audit_write(world->pg, &key, &entry, &err), ERR_INVALID);
	entry.detail = STR_LIT("{\"a\":\"b\"}");
	assert_int_equal(audit_write(world->pg, &key, &entry, &err), ERR_OK);
	expect_whole(world);
	assert_int_equal(audit_list(world->pg, "ta", &filter, arena, &list, &err), ERR_OK);
	assert_int_equal(list.count, 1);
	assert_true(list.more);
	assert_true(str_eq(list.items[0].who.agent, STR_LIT("a?????"
	                                                    "(\xe2\x82\xac")));
	assert_int_equal(list.items[0].object.n, AUDIT_OBJECT_MAX);
	buf_init(&out, 65536);
	audit_write_csv(&out, &list.items[0]);
	assert_non_null(strstr(buf_cstr(&out), ",\"'=1+\"\"1\"\"\","));
	buf_fini(&out);
	/* Another tenant sees none of it. */
	assert_int_equal(audit_list(world->pg, "tb", &filter, arena, &list, &err), ERR_OK);
	assert_int_equal(list.count, 0);
	arena_free(arena);
}

static void odd_words_of_peers_are_kept_as_text(void **state)
{
	(void)state;
	world_run(odd_body);
}

/* ---- refusals ---- */

static bool denials_are_written(struct world *world)
{
	SQL(test_denials, "SELECT count(*) FROM audit WHERE outcome = 'denied'");

	return number(world->admin, "", &test_denials) >= 1 + DENIALS_OF_CHAIN;
}

static void flood_body(struct world *world)
{
	SQL(test_others, "SELECT coalesce(max((detail::jsonb ->> 'times')::bigint), 0) FROM audit "
	                 "WHERE action = 'denials.others'");
	SQL(test_counted, "SELECT sum((detail::jsonb ->> 'times')::bigint) FROM audit "
	                  "WHERE action = 'key.guess'");
	SQL(test_rows, "SELECT count(*) FROM audit WHERE outcome = 'denied'");
	const struct denials_options options = {
		.pg = world->pg, .key = the_key(), .loop = world->loop, .duties = &world->group
	};
	struct denials *denials;
	struct audit_entry entry = entry_of("ta", "key.guess");

	begin(world);
	denials = denials_new(&options);
	entry.outcome = AUDIT_DENIED;
	for (unsigned i = 0; i < 1000; i++) {
		denials_add(denials, &entry);
	}
	for (unsigned i = 0; i < 500; i++) {
		char address[32];

		(void)snprintf(address, sizeof(address), "192.0.2.%u", i);
		entry.who.address = str_of(address);
		entry.action = STR_LIT("key.try");
		denials_add(denials, &entry);
	}
	entry.who.address = STR_LIT("192.0.2.1");
	entry.chain = "tb";
	denials_add(denials, &entry);
	await(denials_are_written, world);
	entry.chain = "ta";
	entry.action = STR_LIT("key.guess");
	for (unsigned i = 0; i < 7; i++) {
		denials_add(denials, &entry);
	}
	fiber_group_cancel(&world->group, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, 10000), ERR_OK);
	denials_free(denials);
	/* One tenant's flood leaves the others' denials in place, and the disk too. */
	assert_int_equal(number(world->admin, "", &test_counted), 1007);
	assert_int_equal(number(world->admin, "", &test_others), 500 - (DENIALS_OF_CHAIN - 1));
	assert_int_equal(number(world->admin, "", &test_rows), DENIALS_OF_CHAIN + 1 + 1 + 1);
	expect_whole(world);
}

static void a_flood_of_denials_is_a_few_rows_with_their_number(void **state)
{
	(void)state;
	world_run(flood_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_whole),
		cmocka_unit_test(a_change_in_any_field_is_found),
		cmocka_unit_test(missing_rows_heads_and_chains_are_found),
		cmocka_unit_test(another_order_is_found),
		cmocka_unit_test(a_forged_end_is_found_also_after_more_was_added),
		cmocka_unit_test(an_older_state_is_found_by_an_end_that_was_kept),
		cmocka_unit_test(many_at_once_make_one_chain),
		cmocka_unit_test(an_act_and_its_row_are_one),
		cmocka_unit_test(odd_words_of_peers_are_kept_as_text),
		cmocka_unit_test(a_flood_of_denials_is_a_few_rows_with_their_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
