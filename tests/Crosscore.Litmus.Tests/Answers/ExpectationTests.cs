using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Answers;

/// <summary>What a test says of itself in its header.</summary>
public class ExpectationTests
{
    [Theory]
    [InlineData("Expect=x86-tso:Sometimes sc:Never", Frequency.Sometimes, Frequency.Never)]
    [InlineData("Expect=sc:Always", null, Frequency.Always)]
    [InlineData("Expect=  sc:Never   x86-tso:Never ", Frequency.Never, Frequency.Never)]
    [InlineData("Other=x86-tso:Never", null, null)]
    [InlineData("Expect=", null, null)]
    public void A_line_names_the_verdict_for_each_kind_of_core(string line, Frequency? tso, Frequency? sc)
    {
        LitmusTest test = Test(line);
        Assert.Equal((tso, sc), (Expectation.Of(test, CoreKind.X86Tso), Expectation.Of(test, CoreKind.Sc)));
    }

    [Theory]
    [InlineData("Expect=Never")]
    [InlineData("Expect=x86-tso")]
    [InlineData("Expect=x86-tso:")]
    [InlineData("Expect=x86-tso:never")]
    [InlineData("Expect=x86-tso:Rarely")]
    [InlineData("Expect=x86-tso:1")]
    [InlineData("Expect=x86-tso:Never,Sometimes")]
    [InlineData("Expect=arm:Never")]
    [InlineData("Expect=x86-tso:Never:Never")]
    [InlineData("Expect=sc:Never x86-tso=Never")]
    public void A_line_that_cannot_be_read_is_an_error_for_every_kind_of_core(string line)
    {
        LitmusTest test = Test(line);
        foreach (CoreKind core in Enum.GetValues<CoreKind>())
        {
            LitmusException exception = Assert.Throws<LitmusException>(() => Expectation.Of(test, core));
            Assert.Equal(
                $"found '{line}', expected entries such as x86-tso:Sometimes or sc:Never (or Always)",
                exception.Problem
            );
        }
    }

    [Fact]
    public void A_control_must_be_seen_on_the_machine()
    {
        Assert.True(Expectation.MustBeSeen(Test("Machine=seen")));
        Assert.False(Expectation.MustBeSeen(Test("Expect=sc:Never")));
        LitmusException exception = Assert.Throws<LitmusException>(() => Expectation.MustBeSeen(Test("Machine=yes")));
        Assert.Equal("found 'Machine=yes', expected Machine=seen", exception.Problem);
    }

    [Fact]
    public void Every_kind_of_core_has_a_name() =>
        Assert.Equal(Enum.GetValues<CoreKind>().Order(), CoreNames.All.Values.Order());

    [Fact]
    public void Every_test_of_the_project_says_what_it_expects_of_the_cores_it_is_written_for_and_is_right()
    {
        string[] files = Directory.GetFiles(
            Path.Combine(Corpus.Repository, "litmus"),
            "*.litmus",
            SearchOption.AllDirectories
        );
        Assert.True(files.Length >= 20, $"Only {files.Length} tests were found.");
        foreach (string file in files)
        {
            LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
            Assert.Equal(Path.GetFileNameWithoutExtension(file), test.Name);
            Expectation.MustBeSeen(test);

            // Tests about kernels say what they expect of designs; Designs/VerdictTests holds them to it.
            if (Expectation.IsAboutKernels(test))
            {
                continue;
            }

            foreach (CoreKind core in (CoreKind[])[test.HomeCore(), CoreKind.Sc])
            {
                Frequency? expected = Expectation.Of(test, core);

                // Exclusive accesses and code that changes mean something on the core that a test is written for only.
                if (expected is null && core == CoreKind.Sc && test.Architecture == Architecture.AArch64)
                {
                    continue;
                }

                Assert.True(expected is not null, $"{file} says nothing of {core}.");
                ModelVerdict verdict = ModelVerdict.Of(test, core, cancellation: TestContext.Current.CancellationToken);
                Assert.True(
                    expected == verdict.Frequency,
                    $"{file} expects {expected} of {core}, the model says {verdict.Frequency}."
                );
            }
        }
    }

    private static LitmusTest Test(string line) =>
        LitmusParser.Parse($"X86_64 T\n{line}\n{{ x=0; }}\nP0 ;\nnop ;\nexists (x=1)", "t.litmus");
}
