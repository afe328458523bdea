namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>The oracle does not judge this test; the message says which property of the test is the reason.</summary>
internal sealed class OracleRefusal(string reason) : Exception(reason);
