/** How the answers of a conversation should be: the reader's system prompt and temperature, where the operator allows them. */

/**
 * @typedef {object} Tuning
 * @property {string} [systemPrompt] put behind the operator's
 * @property {number} [temperature] 0 to `MAX_TEMPERATURE`; the model's own if omitted
 */

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
