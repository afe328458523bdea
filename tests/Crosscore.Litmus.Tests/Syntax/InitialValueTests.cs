using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Syntax;

/// <summary>
/// Numbers that a location cannot hold are refused, not cut: a test that begins elsewhere than it says proves nothing.
/// </summary>
public class InitialValueTests
{
    [Theory]
    [InlineData("int x=5000000000;")]
    [InlineData("uint8_t x=300;")]
    [InlineData("int8_t x=-129;")]
    public void A_number_that_the_type_cannot_hold_is_refused_with_its_place(string initial)
    {
        LitmusException refusal = Assert.Throws<LitmusException>(() =>
            LitmusParser.Parse($"X86_64 T\n{{ {initial} }}\nP0 ;\nnop ;\nexists (x=1)", "t.litmus")
        );
        Assert.Equal(2, refusal.Position.Line);
        Assert.Contains("cannot hold", refusal.Problem, StringComparison.Ordinal);
    }
}
