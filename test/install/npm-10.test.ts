import { describeWays } from "./ways.ts";

describeWays("10");
