namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>What a scenario throws where a member that must not throw said that it cannot tell: a documented answer to a refusal, which must not be remembered.</summary>
internal sealed class UnansweredException(string message) : Exception(message);
