-- SPDX-License-Identifier: Apache-2.0
-- What each table, column and view is. `rollcall db apply` writes these comments into the database;
-- psql shows them with \d+.

comment on table rollcall.schema_version is
        'Which versions of schemas/sql/versions the database has.';
comment on column rollcall.schema_version.version is 'a file of schemas/sql/versions';
comment on column rollcall.schema_version.applied_at is 'when `rollcall db apply` applied it';

comment on table rollcall.lease is
        'One scheduler leads at a time. Its transactions lock the row and check the epoch.';
comment on column rollcall.lease.name is 'there is one lease: ''scheduler''';
comment on column rollcall.lease.holder is
        'the scheduler that leads: "rollcall-scheduler HOST/PID"';
comment on column rollcall.lease.epoch is
        'grows with every change of holder, and fences every earlier holder';
comment on column rollcall.lease.expires_at is 'another scheduler may lead from then on';

comment on table rollcall.job is 'A job of a pack, as the scheduler has seen it.';
comment on column rollcall.job.pack is 'the pack';
comment on column rollcall.job.job is 'the job within the pack';
comment on column rollcall.job.considered_at is
        'every scheduled instant up to this one is decided: run, skipped or refused';
comment on column rollcall.job.suspended is 'true: scheduled instants start no run';
comment on column rollcall.job.suspended_by is 'who suspended it';
comment on column rollcall.job.suspended_at is 'when it was suspended';
comment on column rollcall.job.suspended_reason is 'why, as the operator said';
comment on column rollcall.job.suspended_with_all is
        'suspended together with all jobs: `jobs resume --all` resumes it; by its own name '
        'it is left alone';
comment on column rollcall.job.requires_roles is
        'the database roles that its task types need of who requests a run';

comment on table rollcall.run is 'One run of a job: requested, planned, published, closed.';
comment on column rollcall.run.run_no is 'the short number that other tables use';
comment on column rollcall.run.run_id is
        'UUIDv5 of job and scheduled_at: the same for every scheduler';
comment on column rollcall.run.pack is 'the pack';
comment on column rollcall.run.job is 'the job within the pack';
comment on column rollcall.run.scheduled_at is 'the instant that the run is for';
comment on column rollcall.run.day is 'scheduled_at''s day in UTC: the ledger''s partition';
comment on column rollcall.run.cause is '''schedule'', ''manual'' or ''catch_up''';
comment on column rollcall.run.requested_by is
        'who requested it: the database session''s user, or the scheduler';
comment on column rollcall.run.requested_for is
        'on whose behalf, where requested_by may act for others';
comment on column rollcall.run.settings is 'given with --set, or by the job';
comment on column rollcall.run.kept_settings is
        'all settings as they were when the run was planned: what the workers use';
comment on column rollcall.run.statements is
        'for each task type that may belong to the run the version of its statement at '
        'planning';
comment on column rollcall.run.dry_run is 'true: the statements run and are rolled back';
comment on column rollcall.run.force is
        'true: requested although a run of the job was open, or too soon after the last one';
comment on column rollcall.run.state is
        'requested, planned, held for review, published; then succeeded, completed with '
        'errors, failed, cancelled or refused';
comment on column rollcall.run.reason is 'why it failed, or was cancelled, refused or held';
comment on column rollcall.run.cluster is 'the Kafka cluster that its tasks were published to';
comment on column rollcall.run.again is 'true: published again, only tasks without an outcome';
comment on column rollcall.run.by_task is
        'true: each of its tasks has a row of its own in rollcall.outcome; false: what a '
        'batch plainly decided is a row of rollcall.outcome_batch';
comment on column rollcall.run.chunks is 'chunks of its plan';
comment on column rollcall.run.chunks_published is 'chunks that Kafka has acknowledged';
comment on column rollcall.run.planned is 'tasks in the plan, without follow-ups';
comment on column rollcall.run.planned_digest_a is
        'XOR of the first halves of the planned task ids';
comment on column rollcall.run.planned_digest_b is
        'XOR of the second halves of the planned task ids';
comment on column rollcall.run.not_before is 'the start after jitter';
comment on column rollcall.run.deadline_at is 'the end of its time limit';
comment on column rollcall.run.alert is 'true: it ended so that on_failure is published';
comment on column rollcall.run.notified_at is
        'when its end was announced and what follows from it was published';
comment on column rollcall.run.requested_at is 'when it was requested';
comment on column rollcall.run.planned_at is 'when its plan was committed';
comment on column rollcall.run.published_at is 'when its last task was acknowledged by Kafka';
comment on column rollcall.run.closed_at is 'when it ended';
comment on column rollcall.run.expect is
        'how many tasks of each type were shown and confirmed: {"pack.type": "12"}; null: '
        'nobody was asked';
comment on column rollcall.run.population is
        'the result of the job''s population statement at planning';
comment on column rollcall.run.held_at is
        'planned, but held for review before anything was published';
comment on column rollcall.run.held_notified_at is 'when the administrator was notified of that';
comment on column rollcall.run.released_at is 'when `rollcall runs release` released it';
comment on column rollcall.run.released_by is 'who released it';
comment on column rollcall.run.progress_mark is 'a number that changes as the run proceeds';
comment on column rollcall.run.progress_at is 'when progress_mark changed last';

comment on table rollcall.plan is
        'Every planned subject, written in one transaction before the first task is '
        'published: what a run owes can always be computed, and published again with the '
        'same ids.';
comment on column rollcall.plan.run_no is 'the run';
comment on column rollcall.plan.chunk is
        'number of the chunk within the run; a chunk is published at once';
comment on column rollcall.plan.type_no is 'the task type';
comment on column rollcall.plan.dry_run is 'as the run''s';
comment on column rollcall.plan.subjects is 'the subjects of the chunk';
comment on column rollcall.plan.items is 'the item of each subject; null: all ''''';
comment on column rollcall.plan.lane is
        'the lane that the chunk is published to; null: its tasks belong to several partitions';
comment on column rollcall.plan.partition is 'the partition of the lane''s topic; null: several';
comment on column rollcall.plan.partitions is
        'of so many partitions of the topic; null: several';

comment on table rollcall.task_type is 'A task type of a pack, as the engine numbers it.';
comment on column rollcall.task_type.type_no is 'the short number that other tables use';
comment on column rollcall.task_type.name is '"pack.type"';
comment on column rollcall.task_type.requires_role is
        'the database role that a requester must be a member of';
comment on column rollcall.task_type.actor_arguments is
        'arguments that Rollcall fills in with the requester: nobody can give them';
comment on column rollcall.task_type.for_others_arguments is
        'the same, but given by who may act for others';

comment on table rollcall.position is
        'How far a Kafka partition was consumed: one row per cluster, topic and partition. '
        'Every batch moves `next` by compare-and-set on the epoch. When a topic is re- '
        'created, the old row is kept under the cluster name "CLUSTER#source_no".';
comment on column rollcall.position.source_no is 'the short number that other tables use';
comment on column rollcall.position.cluster is
        'Kafka''s cluster id; for a topic that was re-created "CLUSTER#source_no"';
comment on column rollcall.position.topic is 'the topic';
comment on column rollcall.position.partition is 'the partition';
comment on column rollcall.position.epoch is
        'grows with every change of owner, and fences every earlier owner';
comment on column rollcall.position.owner is
        'the program that owns the partition: "PROGRAM HOST/PID LANE#N"';
comment on column rollcall.position.next is 'the offset to consume next';
comment on column rollcall.position.mark is
        'digest of the message before it, which tells that a topic was re-created; 0: none';
comment on column rollcall.position.sequence is
        'last number given to an outcome; it continues when the topic is re-created';
comment on column rollcall.position.published is
        'outcomes up to this sequence are acknowledged on the results topic';
comment on column rollcall.position.updated_at is 'when the row changed last';
comment on column rollcall.position.claimed_by is
        'the owner that has not left in order; '''': it has';
comment on column rollcall.position.claimed_next is '`next` when that owner claimed the partition';
comment on column rollcall.position.deaths is 'how many owners in a row ended without progress';
comment on column rollcall.position.trying is 'offset of the task that is done alone, after deaths';

comment on table rollcall.log_gap is
        'Where a topic did not have the offset to consume next, and what became of it.';
comment on column rollcall.log_gap.gap_no is 'the number of the gap';
comment on column rollcall.log_gap.source_no is 'the position that continues behind the gap';
comment on column rollcall.log_gap.how is
        '''re-created'', ''deleted'' (its messages), or ''another cluster''';
comment on column rollcall.log_gap.position is 'the offset that was to be consumed next';
comment on column rollcall.log_gap.low is 'the first offset that the topic had';
comment on column rollcall.log_gap.high is 'the offset after the last that the topic had';
comment on column rollcall.log_gap.found_by is 'the program that found it';
comment on column rollcall.log_gap.found_at is 'when it was found';
comment on column rollcall.log_gap.repaired_at is
        'when what the database knows was published again, or counted';

comment on table rollcall.outcome is
        'The ledger: one row per task; outbox and source of the audit events at once. The '
        'key of a run''s task is (run, type, subject, item). An ad-hoc task has an id of '
        'its own, and its row is in the partition of day ''-infinity''.';
comment on column rollcall.outcome.run_no is 'the run; 0: ad-hoc';
comment on column rollcall.outcome.src_offset is
        'the message''s offset; negative: adopted from an earlier log of the topic';
comment on column rollcall.outcome.sequence is
        'the number of its event within the position; null while pending or waiting';
comment on column rollcall.outcome.at is 'when the outcome was decided';
comment on column rollcall.outcome.day is 'the run''s day; -infinity: ad-hoc';
comment on column rollcall.outcome.source_no is 'the position that the message was consumed from';
comment on column rollcall.outcome.type_no is 'the task type';
comment on column rollcall.outcome.outcome is
        '0 applied, 1 skipped, 2 failed, 3 quarantined, 4 unknown, -1 pending (its action '
        'is under way), -2 waiting (see held)';
comment on column rollcall.outcome.replaces is
        'the outcome that this one took the place of: quarantined, then replayed or '
        'discarded';
comment on column rollcall.outcome.attempt is 'which attempt led to the outcome';
comment on column rollcall.outcome.dry_run is 'true: nothing was changed';
comment on column rollcall.outcome.subject is 'the key of whom the task is about';
comment on column rollcall.outcome.item is
        'tells several tasks of a subject in one run apart; '''': there is one';
comment on column rollcall.outcome.reason is 'why, in words';
comment on column rollcall.outcome.before is 'what was there before';
comment on column rollcall.outcome.after is 'what is there now';
comment on column rollcall.outcome.follow_ups is
        'task types that were published because of the outcome';
comment on column rollcall.outcome.task_id is
        'ad-hoc only: the id of a run''s task follows from its key';
comment on column rollcall.outcome.actor is 'ad-hoc only: the actor of a run''s task is the run''s';
comment on column rollcall.outcome.arguments is 'ad-hoc only: a JSON object of texts';

comment on table rollcall.progress is
        'How far a run is, per position: counts, and a digest that does not depend on the '
        'order. Moved in each batch''s own transaction; the proof that nothing is missing.';
comment on column rollcall.progress.run_no is 'the run';
comment on column rollcall.progress.source_no is 'the position';
comment on column rollcall.progress.applied is 'tasks applied';
comment on column rollcall.progress.skipped is 'tasks skipped';
comment on column rollcall.progress.failed is 'tasks failed';
comment on column rollcall.progress.quarantined is 'tasks quarantined';
comment on column rollcall.progress.unknown is 'tasks whose outcome is unknown';
comment on column rollcall.progress.spawned is 'follow-up tasks published';
comment on column rollcall.progress.digest_a is
        'XOR of the first halves of the ids done and of the ids spawned';
comment on column rollcall.progress.digest_b is 'XOR of the second halves of the same ids';
comment on column rollcall.progress.place is
        'up to which place of the plan the tasks of this partition were taken '
        '(rollcall.place); 0: none; null: by a worker of an earlier version';

comment on table rollcall.outcome_batch is
        'The ledger''s other form: one row for what a batch plainly decided of one chunk of '
        'the plan. Its subjects and items are the plan''s. A list of one value stands for '
        'all its tasks. rollcall.outcome_of_batch has a row for each task.';
comment on column rollcall.outcome_batch.day is 'the run''s day';
comment on column rollcall.outcome_batch.run_no is 'the run';
comment on column rollcall.outcome_batch.chunk is 'the chunk of its plan';
comment on column rollcall.outcome_batch.first is
        'the first task''s index within the chunk, from 0';
comment on column rollcall.outcome_batch.n is 'how many tasks, those in between included';
comment on column rollcall.outcome_batch.type_no is 'the task type';
comment on column rollcall.outcome_batch.source_no is
        'the position that the messages were consumed from';
comment on column rollcall.outcome_batch.dry_run is 'true: nothing was changed';
comment on column rollcall.outcome_batch.at is 'when the outcomes were decided';
comment on column rollcall.outcome_batch.first_offset is 'the first message''s offset';
comment on column rollcall.outcome_batch.offsets is
        'each message''s offset minus the first; null: 0, 1, 2 …';
comment on column rollcall.outcome_batch.first_sequence is
        'the number of the first task''s event within the position';
comment on column rollcall.outcome_batch.last_sequence is 'the number of the last one''s';
comment on column rollcall.outcome_batch.sequences is
        'each number minus the first; null: 0, 1, 2 …';
comment on column rollcall.outcome_batch.outcome is
        'as in rollcall.outcome; null within a list: that task has a row of its own there';
comment on column rollcall.outcome_batch.reason is 'why; null: none has one';
comment on column rollcall.outcome_batch.before is 'what the statement says of before';
comment on column rollcall.outcome_batch.after is 'what the statement says of after';
comment on column rollcall.outcome_batch.follow_ups is
        'task types that were published because of it, joined by commas';

comment on table rollcall.dead_letter is
        'Messages that cannot be a task: kept as they were, up to 1 MiB, and published on '
        'the results topic.';
comment on column rollcall.dead_letter.source_no is
        'the position that the message was consumed from';
comment on column rollcall.dead_letter.src_offset is
        'its offset; of a batch that cannot be read, the first one';
comment on column rollcall.dead_letter.sequence is 'the number of its event within the position';
comment on column rollcall.dead_letter.reason is 'why it cannot be a task';
comment on column rollcall.dead_letter.key is 'the message''s key';
comment on column rollcall.dead_letter.value is 'the message''s value; null: it could not be read';
comment on column rollcall.dead_letter.at is 'when it was kept';

comment on table rollcall.held is
        'Parked tasks: a task that failed waits for its next try, at last for an operator, '
        'and later tasks of its subject in the same lane are blocked by it, in this order. '
        'The owner of the partition takes what is due.';
comment on column rollcall.held.held_no is 'the order within a subject';
comment on column rollcall.held.source_no is 'the position that the message was consumed from';
comment on column rollcall.held.src_offset is 'the message''s offset';
comment on column rollcall.held.topic is 'the lane''s topic';
comment on column rollcall.held.subject is 'the key of whom the task is about';
comment on column rollcall.held.state is
        'retry: retried at due_at. quarantined: failed for the last time. waiting: '
        'blocked by a task that is retried. behind: blocked by a quarantined task, and '
        'counted as quarantined. replay, drop: requested by an operator. unknown: its type '
        'is unknown to the worker. record: done, only its record is missing';
comment on column rollcall.held.task_id is 'the task''s id';
comment on column rollcall.held.day is 'the run''s day; -infinity: ad-hoc';
comment on column rollcall.held.run_no is 'the run; 0: ad-hoc';
comment on column rollcall.held.type_no is 'the task type';
comment on column rollcall.held.item is 'the task''s item';
comment on column rollcall.held.tries is
        'tries that failed, since the beginning or the last replay';
comment on column rollcall.held.due_at is
        'when the owner looks at it again; null: after something else has happened';
comment on column rollcall.held.errors is 'the newest errors, each with its time';
comment on column rollcall.held.key is 'the message''s key';
comment on column rollcall.held.value is 'the message''s value';
comment on column rollcall.held.requested_by is 'who requested the replay or the drop';
comment on column rollcall.held.locked is
        'its row was locked by another session when it was tried alone: it is retried after the '
        'others, so that they do not wait for the same lock';
comment on column rollcall.held.since is 'when the task was parked';
comment on column rollcall.held.updated_at is 'when the row changed last';

comment on table rollcall.folded is
        'The last sequence that is counted in the totals, per results partition and source '
        'partition: an event at or below it is a repetition.';
comment on column rollcall.folded.results_no is 'position.source_no of the results partition';
comment on column rollcall.folded.source_topic is 'the lane''s topic that the event names';
comment on column rollcall.folded.source_partition is 'the lane''s partition that the event names';
comment on column rollcall.folded.sequence is 'the last sequence counted';

comment on table rollcall.run_total is 'Totals of a run, as the results topic has them.';
comment on column rollcall.run_total.run_id is 'the run; nil: ad-hoc';
comment on column rollcall.run_total.pack is 'the pack';
comment on column rollcall.run_total.job is 'the job';
comment on column rollcall.run_total.dry_run is 'dry runs are counted apart';
comment on column rollcall.run_total.applied is 'tasks applied';
comment on column rollcall.run_total.skipped is 'tasks skipped';
comment on column rollcall.run_total.failed is 'tasks failed';
comment on column rollcall.run_total.quarantined is 'tasks quarantined';
comment on column rollcall.run_total.unknown is 'tasks whose outcome is unknown';
comment on column rollcall.run_total.first_at is 'the earliest outcome';
comment on column rollcall.run_total.last_at is 'the latest outcome';

comment on table rollcall.day_total is
        'Outcomes by day (UTC), type and reason. Reasons beyond the aggregator''s limit per '
        'type and day are counted as "(other)".';
comment on column rollcall.day_total.day is 'the day, UTC';
comment on column rollcall.day_total.type is '"pack.type"';
comment on column rollcall.day_total.dry_run is 'dry runs are counted apart';
comment on column rollcall.day_total.outcome is 'as in rollcall.outcome';
comment on column rollcall.day_total.reason is 'the outcome''s reason';
comment on column rollcall.day_total.count is 'how many';

comment on table rollcall.recent_error is
        'The newest failed, quarantined or unknown outcomes of each type, as the results '
        'topic has them.';
comment on column rollcall.recent_error.event_id is 'the event''s id';
comment on column rollcall.recent_error.at is 'when the outcome was decided';
comment on column rollcall.recent_error.run_id is 'the run; nil: ad-hoc';
comment on column rollcall.recent_error.type is '"pack.type"';
comment on column rollcall.recent_error.subject is 'the key of whom the task was about';
comment on column rollcall.recent_error.item is 'the task''s item';
comment on column rollcall.recent_error.outcome is 'as in rollcall.outcome';
comment on column rollcall.recent_error.reason is 'why';

comment on table rollcall.authority is
        'Rights that the configuration gives to database roles by name. `rollcall db apply` '
        'writes them.';
comment on column rollcall.authority.right_name is
        '''act_for_others'': may request on behalf of somebody else';
comment on column rollcall.authority.role_name is 'the database role';

comment on table rollcall.request is
        'Who requested what: everything that is not a run''s own task. Operators request '
        'through functions, services on their intake topics, Rollcall for what follows from '
        'a task or a run. A request for many tasks has up to 10,000 of them in a row. The '
        'scheduler publishes the tasks.';
comment on column rollcall.request.request_no is 'the number of the request';
comment on column rollcall.request.kind is
        '''tasks'', ''run'', ''cancel run'', …: what was requested';
comment on column rollcall.request.actor is
        'who requested it: the database session''s user, or the service whose intake topic '
        'it came from';
comment on column rollcall.request.on_behalf_of is 'for whom, where the actor may act for others';
comment on column rollcall.request.origin is '''operator'', ''service'' or ''rollcall''';
comment on column rollcall.request.about is 'the run, job or task type that it is about';
comment on column rollcall.request.detail is 'what else was said, by kind';
comment on column rollcall.request.type_no is 'kind ''tasks'': the task type';
comment on column rollcall.request.dry_run is 'kind ''tasks'': nothing is to be changed';
comment on column rollcall.request.task_ids is
        'kind ''tasks'': an id for each task; repeating a request with the same ids does '
        'nothing';
comment on column rollcall.request.subjects is 'kind ''tasks'': the subject of each task';
comment on column rollcall.request.items is 'kind ''tasks'': the item of each task; null: all ''''';
comment on column rollcall.request.arguments is
        'kind ''tasks'': a JSON object of texts for each task; null: none';
comment on column rollcall.request.n_tasks is 'kind ''tasks'': how many; a trigger sets it';
comment on column rollcall.request.large is
        'true: published after the small ones, on a lane that is not urgent; a trigger sets '
        'it';
comment on column rollcall.request.again is
        'true: published again, only tasks that the ledger does not have';
comment on column rollcall.request.cluster is 'the Kafka cluster that its tasks were published to';
comment on column rollcall.request.requested_at is 'when it was requested';
comment on column rollcall.request.published_at is
        'when Kafka had acknowledged every task of it; other kinds: at once';
comment on column rollcall.request.settled_at is
        'when every task of it had an outcome: it is never published again';
comment on column rollcall.request.uncounted_at is 'of a service: when it stopped counting as open';

comment on table rollcall.touched is
        'Rows that the statements of a run''s dry tasks really changed, triggers and '
        'cascades included, as PostgreSQL counts them: one row per batch and table. A '
        'statement that changes more than its tasks are about shows here.';
comment on column rollcall.touched.run_no is 'the run';
comment on column rollcall.touched.type_no is 'the task type';
comment on column rollcall.touched.relation is 'the table';
comment on column rollcall.touched.inserted is 'rows inserted';
comment on column rollcall.touched.updated is 'rows updated';
comment on column rollcall.touched.deleted is 'rows deleted';

comment on table rollcall.locked_setting is
        'Settings that a run cannot change. `rollcall db apply` writes them from the packs.';
comment on column rollcall.locked_setting.pack is 'the pack';
comment on column rollcall.locked_setting.name is 'the setting';

comment on table rollcall.shared_follow_up is
        'Tasks that a run can come to by two ways: as a follow-up of two types, or of one '
        'and by the plan. Who writes the row counts the task.';
comment on column rollcall.shared_follow_up.run_no is 'the run';
comment on column rollcall.shared_follow_up.type_no is 'the task type';
comment on column rollcall.shared_follow_up.subject is 'the task''s subject';
comment on column rollcall.shared_follow_up.item is 'the task''s item';

comment on table rollcall.service is
        'The service of this database, one only, since lease, jobs and positions are the '
        'service''s. `rollcall db apply` writes it.';
comment on column rollcall.service.one is 'true: there is one row';
comment on column rollcall.service.prefix is 'the prefix of the service''s topics';

comment on table rollcall.process is
        'The programs that run, and each of their threads that has a session of its own: '
        'written every few seconds, deleted at the end.';
comment on column rollcall.process.name is '"rollcall-worker HOST/PID LANE#N"';
comment on column rollcall.process.program is 'the program''s name';
comment on column rollcall.process.host is 'the machine';
comment on column rollcall.process.pid is 'the process id';
comment on column rollcall.process.version is 'the program''s version';
comment on column rollcall.process.lane is 'the lane that a worker''s thread serves';
comment on column rollcall.process.partitions is 'the partitions that it is assigned';
comment on column rollcall.process.leads is 'true: the scheduler that leads';
comment on column rollcall.process.backend_pid is 'the process id of its PostgreSQL session';
comment on column rollcall.process.waits_for is 'an error that it meets again and again';
comment on column rollcall.process.refused_reload is
        'why it refused the last configuration that it was given; the one before stays in '
        'force';
comment on column rollcall.process.refused_at is 'when it refused it';
comment on column rollcall.process.started_at is 'when it started';
comment on column rollcall.process.seen_at is 'when it wrote the row last';

comment on table rollcall.paused_type is
        'Task types whose statement fails whatever it is given. Workers pass over their '
        'tasks: no outcome, no row. On resume the scheduler publishes again what open runs '
        'and requests of the type still owe. The row stays: a type that is paused again '
        'soon is retried less and less often.';
comment on column rollcall.paused_type.type_no is 'the task type';
comment on column rollcall.paused_type.since is 'when it was paused';
comment on column rollcall.paused_type.reason is 'the error';
comment on column rollcall.paused_type.sqlstate is 'the error''s SQLSTATE';
comment on column rollcall.paused_type.by_whom is 'the worker that paused it';
comment on column rollcall.paused_type.samples is
        'messages of tasks that failed, when the statement does not fail without any task';
comment on column rollcall.paused_type.tries is 'how often it was retried automatically';
comment on column rollcall.paused_type.tried_at is 'when it was tried last';
comment on column rollcall.paused_type.next_try_at is 'when it is tried next';
comment on column rollcall.paused_type.resumed_at is 'when it was resumed; null: it is paused';
comment on column rollcall.paused_type.resumed_by is
        'who resumed it, or the worker whose try succeeded';
comment on column rollcall.paused_type.published_again_at is 'when its tasks were published again';

comment on table rollcall.intake is
        'How much each service may request: a bucket that fills at its rate, whichever '
        'worker takes from it.';
comment on column rollcall.intake.service is 'the service';
comment on column rollcall.intake.tokens is 'how many tasks it may request now';
comment on column rollcall.intake.open is
        'at most so many of its tasks have no outcome; counted again when that is too many';
comment on column rollcall.intake.filled_at is 'when the bucket was filled last';

comment on table rollcall.alert is 'Problems that were found, until they are over.';
comment on column rollcall.alert.what is 'the problem: the same text while it lasts';
comment on column rollcall.alert.detail is 'the problem in words';
comment on column rollcall.alert.since is 'when it was found';
comment on column rollcall.alert.seen_at is 'when it was found last';
comment on column rollcall.alert.told_at is
        'when it was reported; null: it has not lasted long enough';

comment on table rollcall.recount is
        'Closed runs whose counts have changed since: a quarantined task was replayed or '
        'discarded, or a follow-up of one was done. The scheduler looks at their state.';
comment on column rollcall.recount.run_no is 'the run';

comment on view rollcall.held_named is
        'Parked tasks with the names of their types and runs. The columns are those of '
        'held.';
comment on view rollcall.outcome_of_batch is
        'The rows of rollcall.outcome_batch task by task, as rollcall.outcome has them.';
comment on view rollcall.outcome_all is
        'The whole ledger with a row for each task: rollcall.outcome and outcome_of_batch.';
comment on view rollcall.outcome_named is 'The ledger with names: what packs and reports read.';
comment on view rollcall.paused_type_named is 'The task types that are paused now.';
comment on view rollcall.process_now is
        'The programs, and whether each is alive: seen within half a minute, or in a long '
        'statement of a session that is still there.';
comment on view rollcall.run_progress is
        'Runs with their counts, and whether the digests of what was planned and what was '
        'done are equal.';
