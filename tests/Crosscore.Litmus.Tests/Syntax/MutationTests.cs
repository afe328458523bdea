using System.Text;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Litmus.Tests.Syntax;

/// <summary>
/// Damaged tests: each is still a test, or an error with a place in the file, never anything else.
/// </summary>
public class MutationTests
{
    private const int Seed = 4711;

    private const string Everything = """
        X86_64 Everything
        "A test with one of everything (* in quotes *)"
        Key=value
        { uint64_t x=0x10; int y=-1; int t[2]={1,2}; 0:rsi=x; uint8_t 1:rax=7; p=&t[1]; }
         P0                    | P1                            ;
         movq $1,(x)           | L: movl (y),%eax              ;
         lock; incl (y)        | cmpl $0,%eax                  ;
         movzbl 1(x),%ebx      | jne L                         ;
         lock; cmpxchgl %ecx,(y) | membarrier private_expedited ;
         movl (%rsi),%edx      | xchgl %ebx,(y)                ;
         (* comment (* nested *) *) mfence | shll $1,%eax      ;
         leaq 4(t),%rdi        | seto %cl                      ;
        locations [0:rax; t; x]
        filter not (0:rbx=5)
        exists (0:rdx=0x10 /\ (1:rbx=1 \/ y!=2) => t={1,2} /\ p=t[1] /\ 0:rax=1:rcx)
        """;

    private static readonly string[] Tokens =
    [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "|",
        ";",
        ":",
        ",",
        "=",
        "~",
        "%",
        "$",
        "*",
        "&",
        "+",
        "/\\",
        "\\/",
        "=>",
        "!=",
        "\"",
        "(*",
        "*)",
        "//",
        "\n",
        "\0",
        "\u20AC",
        "\uD800",
        "0x",
        "-",
        "-1",
        "99999999999999999999",
        "4096",
        "4097",
        "P0",
        "P1",
        "P99",
        "0:rax",
        "7:rax",
        "rsp",
        "%al",
        "lock",
        "lock;",
        "movl",
        "jmp",
        "membarrier",
        "exists",
        "forall",
        "filter",
        "locations",
        "not",
        "true",
        "uint64_t",
        "x",
        "t",
        "t[1]",
        "nopw",
        "cmov",
        "set",
        "j",
        "movz",
        "x(%rip)",
    ];

    [Fact]
    public void A_damaged_test_is_a_test_or_an_error_with_a_place()
    {
        LitmusText.Parse(Everything);
        var random = new Random(Seed);
        int parsed = 0;
        int refused = 0;
        for (int round = 0; round < 40_000; round++)
        {
            string text = Damage(
                random,
                round % 3 == 0
                    ? RandomProgram
                        .Make(round, Ingredients.MixedSizes | Ingredients.Loops | Ingredients.Membarrier)
                        .Text
                    : Everything
            );
            try
            {
                LoweredTest.Of(LitmusText.Parse(text));
                parsed++;
            }
            catch (LitmusException exception)
            {
                AssertInside(exception.Position, text);
                Assert.NotEmpty(exception.Problem);
                refused++;
            }
            catch (Exception exception)
            {
                Assert.Fail($"seed {Seed}, round {round}: {exception}\n{text}");
            }
        }

        // Both must happen often, or the damage is too small or too large to show anything.
        Assert.True(parsed > 2_000 && refused > 10_000, $"{parsed} parsed, {refused} refused");
    }

    [Fact]
    public void Every_beginning_of_a_test_is_a_test_or_an_error_with_a_place()
    {
        for (int length = 0; length <= Everything.Length; length++)
        {
            string text = Everything[..length];
            try
            {
                LoweredTest.Of(LitmusText.Parse(text));
            }
            catch (LitmusException exception)
            {
                AssertInside(exception.Position, text);
            }
        }
    }

    private static void AssertInside(SourcePosition position, string text)
    {
        string[] lines = text.Split('\n');
        Assert.InRange(position.Line, 1, lines.Length);
        Assert.InRange(position.Column, 1, lines[position.Line - 1].Length + 1);
    }

    private static string Damage(Random random, string text)
    {
        var damaged = new StringBuilder(text);
        for (int count = random.Next(1, 4); count > 0; count--)
        {
            int at = random.Next(damaged.Length);
            int length = Math.Min(random.Next(1, 6), damaged.Length - at);
            switch (random.Next(5))
            {
                case 0:
                    damaged.Remove(at, length);
                    break;
                case 1:
                    damaged.Insert(at, Tokens[random.Next(Tokens.Length)]);
                    break;
                case 2:
                    damaged.Remove(at, length).Insert(at, Tokens[random.Next(Tokens.Length)]);
                    break;
                case 3:
                    damaged[at] = (char)random.Next(32, 127);
                    break;
                default:
                    // Something of the text itself, elsewhere.
                    int from = random.Next(damaged.Length);
                    damaged.Insert(at, damaged.ToString(from, Math.Min(random.Next(1, 30), damaged.Length - from)));
                    break;
            }

            if (damaged.Length == 0)
            {
                break;
            }
        }

        return damaged.ToString();
    }
}
