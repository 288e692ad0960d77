/**
 * The wire's types, under names that are easy to import. They are made from the server's OpenAPI document, so their fields are
 * called as on the wire (`task_id`). A newer server may send more fields than they name.
 */
import type { components } from './generated/openapi.js';

type Schemas = components['schemas'];

export type AnswerRequest = Schemas['AnswerRequest'];
export type BatchResponse = Schemas['BatchResponse'];
export type BatchResult = Schemas['BatchResult'];
export type Capabilities = Schemas['Capabilities'];
export type CompleteData = Schemas['CompleteData'];
export type Deleted = Schemas['Deleted'];
export type Draining = Schemas['Draining'];
export type ErrorData = Schemas['ErrorData'];
export type Fault = Schemas['Fault'];
export type Health = Schemas['Health'];
export type InstanceInfo = Schemas['InstanceInfo'];
export type InterruptResponse = Schemas['InterruptResponse'];
export type MessageData = Schemas['MessageData'];
export type MessageReceipt = Schemas['MessageReceipt'];
export type Problem = Schemas['Problem'];
export type Progress = Schemas['ProgressBody'];
export type Question = Schemas['QuestionBody'];
export type SessionInfo = Schemas['SessionInfo'];
export type StatusData = Schemas['StatusData'];
export type TaskList = Schemas['TaskList'];
export type TaskOptions = Schemas['OptionsRequest'];
export type TaskRequest = Schemas['TaskRequest'];
export type TaskResponse = Schemas['TaskResponse'];
export type TaskResult = Schemas['ResultBody'];
export type TaskStatus = Schemas['TaskStatus'];
export type TaskStatusResponse = Schemas['TaskStatusResponse'];
export type TicketResponse = Schemas['TicketResponse'];
export type ToolResultData = Schemas['ToolResultData'];
export type ToolUseData = Schemas['ToolUseData'];

/** One message of a conversation, as `getTranscript` gives it. */
export interface TranscriptEntry {
  uuid: string;
  parent_uuid?: string | null;
  type: string;
  timestamp: string;
  is_sidechain: boolean;
  /** As the model API has it. */
  message: unknown;
}
