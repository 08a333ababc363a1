export {
  encodeReturn,
  type ReturnRecord,
  type ReturnSecret,
  type ReturnTicket,
} from './record.ts';
export { openReturns, type Returns } from './store.ts';
