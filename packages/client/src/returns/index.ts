export {
  encodeReturn,
  type ReturnRecord,
  type ReturnSecret,
  type ReturnTicket,
} from './record.ts';
export { openReturns } from './store.ts';
