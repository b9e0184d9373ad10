// @ts-check
/**
 * The objects of the API, as docs/api.md gives them. Types only: this file is never loaded.
 *
 * @typedef {"online" | "invisible" | "break" | "offline"} Status
 * @typedef {"bot" | "waiting" | "active" | "ended" | "archived" | "ticket"} State
 * @typedef {{id: string, name: string, phone: string, email: string, username: string,
 *   attributes: Record<string, string>, blocked: boolean}} Contact
 * @typedef {{as: "resolved" | "auto" | "ticket", reason: string | null, at: string,
 *   by: string | null}} Closed
 * @typedef {{id: string, inbox: string, channel: string, product: string, state: State,
 *   contact: Contact, agent: string | null, team: string | null, topic: string | null,
 *   tags: string[], epoch: number, created_at: string, last_message_at: string,
 *   waiting_since: string | null, assigned_at: string | null, first_reply_at: string | null,
 *   resolved_at: string | null, resolved_by: string | null, ended_by: string | null,
 *   window_expires_at: string | null, unread: number, ticket: string | null,
 *   closed: Closed | null}} Conversation
 * @typedef {{kind: "contact" | "agent" | "bot" | "system", id: string | null,
 *   name: string}} Author
 * @typedef {{state: "pending" | "unknown" | "sent" | "delivered" | "read" | "failed",
 *   reason: string | null, hint: string | null, attempt: number}} Delivery
 * @typedef {{kind: string, [field: string]: any}} Part
 * @typedef {{id: string, conversation: string, position: number,
 *   kind: "incoming" | "outgoing" | "activity", note: boolean, author: Author, text: string,
 *   parts: Part[], quote: string | null, created_at: string,
 *   delivery: Delivery | null, edited_at: string | null, deleted_at: string | null}} Message
 * @typedef {{id: string, name: string, email: string, role: "agent" | "supervisor" | "admin",
 *   products: string[], inboxes: string[], teams: string[], status: Status,
 *   status_since: string, disabled: boolean}} Agent
 * @typedef {{waiting: number, online: number, status: Status, status_since: string}} Counters
 * @typedef {{name: string, title: string, timezone: string,
 *   claim: "supervisors" | "agents"}} Product
 * @typedef {{text_limit: number, reply_window: string | null, receipts: boolean}} Can
 * @typedef {{name: string, product: string, channel: string, title: string, icon: string,
 *   colour: string, can: Can, state: "attached" | "detached",
 *   health: "new" | "ok" | "auth_dead", problem: string | null}} Inbox
 * @typedef {{id: string, name: string}} Team
 * @typedef {{id: string, name: string, products: string[], active: boolean}} Topic
 * @typedef {{epoch: number, at: string, agent: string | null, how: string,
 *   sentence: string}} Why
 * @typedef {{requeued: number, parked: number}} StatusPreview
 * @typedef {{agent: Agent, csrf: string}} Session
 * @typedef {{items: Conversation[], cursor: string | null}} Page
 * @typedef {{items: Message[], more: boolean}} MessagePage
 * @typedef {{seq?: number, type: string, at?: string, conversation?: string, data?: any}} Frame
 */
export {};
