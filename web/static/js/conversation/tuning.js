/** How the answers of a conversation should be: the reader's system prompt and temperature, where the operator allows them. */

/** @typedef {import("../api/chat_request.js").Tuning} Tuning */

export const MAX_TEMPERATURE = 2; // as the server has it

/**
 * @param {Tuning} record of a conversation
 * @param {{ allowsSystemPrompt: boolean, allowsTemperature: boolean }} configuration
 * @returns {Tuning} what may be sent
 */
export function allowedTuning({ systemPrompt, temperature }, { allowsSystemPrompt, allowsTemperature }) {
  return {
    ...(allowsSystemPrompt && systemPrompt && { systemPrompt }),
    ...(allowsTemperature && temperature !== undefined && { temperature }),
  };
}
