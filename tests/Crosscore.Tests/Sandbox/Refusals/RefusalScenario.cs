namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>
/// A use of the library whose system calls <see cref="RefusalSweep"/> refuses one after the other. It is executed in
/// a copy of the library that has just been loaded, so its first call is the process' first.
/// </summary>
/// <remarks>
/// <para>To sweep the calls of a folder, write a class with a static property <c>All</c> of such scenarios, and a
/// test that calls <see cref="RefusalSweep.Check"/> with the class and the name of each scenario:</para>
/// <code>
/// internal static class CounterScenarios
/// {
///     public static IReadOnlyList&lt;RefusalScenario&gt; All { get; } =
///     [
///         new("a counter", () => Assert.Equal(1, CountOne()), typeof(CodeException)),
///     ];
/// }
///
/// [Theory]
/// [InlineData("a counter")]
/// public void No_refusal_is_remembered(string scenario) => RefusalSweep.Check(typeof(CounterScenarios), scenario,
/// output.WriteLine);
/// </code>
/// <para>What <see cref="Use"/> does may throw what is documented and nothing else; a wrong answer is an assertion
/// that fails in it. It is called twice in a row while calls are refused, then once on another thread while none is. It
/// must not rely on what an earlier call left behind, and must end with nothing left behind, not even on a thread
/// that it started.</para>
/// </remarks>
/// <param name="Name">What is used.</param>
/// <param name="Use">Uses it, from beginning to end.</param>
/// <param name="Documented">The exceptions that a refusal may become.</param>
internal sealed record RefusalScenario(string Name, Action Use, params Type[] Documented)
{
    /// <summary>What has to be there before the first call that may be refused.</summary>
    public Action? Prepare { get; init; }
}
