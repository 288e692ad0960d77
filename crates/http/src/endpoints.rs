//! One endpoint, one file.

pub(crate) mod all_events;
pub(crate) mod all_socket;
pub(crate) mod answer_question;
pub(crate) mod capabilities;
pub(crate) mod change_task;
pub(crate) mod create_session;
pub(crate) mod delete_session;
pub(crate) mod delete_task;
pub(crate) mod drain_instance;
pub(crate) mod fork_session;
pub(crate) mod get_session;
pub(crate) mod get_task;
pub(crate) mod health;
pub(crate) mod interrupt_task;
pub(crate) mod issue_ticket;
pub(crate) mod list_instances;
pub(crate) mod list_sessions;
pub(crate) mod list_tasks;
pub(crate) mod ready;
pub(crate) mod send_message;
pub(crate) mod session_transcript;
pub(crate) mod submit_batch;
pub(crate) mod submit_task;
pub(crate) mod task_events;
pub(crate) mod task_result;
pub(crate) mod task_socket;
