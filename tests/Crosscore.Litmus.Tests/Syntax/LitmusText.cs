using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Syntax;

/// <summary>Short ways to parse, for tests of the syntax.</summary>
internal static class LitmusText
{
    public static LitmusTest Parse(string text) => LitmusParser.Parse(text, "t.litmus");

    /// <summary>A test of one column with one instruction.</summary>
    public static X86_64Instruction Instruction(string text) =>
        Assert.Single(
            Parse($"X86_64 One\n{{ }}\nP0 ;\n{text} ;\nL: ;\nforall true")
                .Threads[0]
                .InstructionsAs<X86_64Instruction>()
        );

    /// <summary>A test with an initial state and a condition, and nothing in between.</summary>
    public static LitmusTest Question(string initial, string condition, string rows = "nop ;") =>
        Parse($"X86_64 Question\n{{ {initial} }}\nP0 ;\n{rows}\n{condition}");

    public static LitmusException Error(string text) => Assert.Throws<LitmusException>(() => Parse(text));
}
