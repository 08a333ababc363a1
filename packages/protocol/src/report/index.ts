export { ProtocolError } from '../errors.ts';
export {
  complaint,
  isComplaint,
  openReturnField,
  type ReturnField,
  returnFieldBytes,
  sealReturnField,
} from './complaint.ts';
export {
  type DecodedReport,
  decodeReport,
  encodeReport,
  longestDiagnostic,
  openReport,
  type Report,
  reportBytes,
  sealedReportBytes,
  sealReport,
} from './report.ts';
export {
  type DecodedReturnInfo,
  decodeReturnInfo,
  encodeReturnInfo,
  type ReturnInfo,
  reportKeyBytes,
  tokenBytes,
  tokenLifeSeconds,
} from './returninfo.ts';
