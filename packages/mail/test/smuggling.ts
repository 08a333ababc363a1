/** What some mail server has taken for the end of the data, written as in a conversation (CVE-2023-51764, -51765, -51766). */
export const smugglingSequences: readonly string[] = [
  String.raw`\n.\n`,
  String.raw`\n.\r`,
  String.raw`\r.\n`,
  String.raw`\r.\r`,
  String.raw`\n.\r\n`,
  String.raw`\r.\r\n`,
  String.raw`\r\n.\n`,
  String.raw`\r\n.\r`,
  String.raw`\r\n.\r\r\n`,
  String.raw`\r\r\n.\r\r\n`,
  String.raw`\r\n\0.\r\n`,
  String.raw`\r\n.\0\r\n`,
];
