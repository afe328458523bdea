using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Syntax;

/// <summary>Header, initial state, columns, comments, and the question.</summary>
public class TestSyntaxTests
{
    [Fact]
    public void The_header_has_a_name_a_description_and_properties()
    {
        LitmusTest test = LitmusText.Parse(
            """
            X86_64 SB+mfence+po

            "A quoted
               text"
            Cycle=Fre PodWR (* a comment *)
            Doc=http://example.org/x
            Empty=
            { }
            P0 ;
            nop ;
            exists (0:rax=0)
            """
        );
        Assert.Equal(("SB+mfence+po", "A quoted text", "t.litmus"), (test.Name, test.Description, test.File));
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["Cycle"] = "Fre PodWR",
                ["Doc"] = "http://example.org/x",
                ["Empty"] = "",
            },
            test.Properties.ToDictionary()
        );
    }

    [Fact]
    public void Comments_nest_and_stand_anywhere()
    {
        LitmusTest test = LitmusText.Parse(
            """
            (* before (* within *) after *)
            x86_64 T
            { (* | ; *) x=1; // to the end
            }
            P0 (* the only one *) ;
            movl (* (* *) *) $1,(x) ; // next
            (* ;
               ; *)
            exists (* ! *) (x=1)
            """
        );
        Assert.Single(test.Threads[0].InstructionsAs<X86_64Instruction>());
        Assert.Equal(1UL, Assert.Single(test.Variables).InitialValues[0].Number);
    }

    [Theory]
    [InlineData("x=1", "int", 4, 1)]
    [InlineData("[x]=1", "int", 4, 1)]
    [InlineData("int x=1", "int", 4, 1)]
    [InlineData("int x = -1", "int", 4, 0xFFFF_FFFF)]
    [InlineData("char x=0xff", "char", 1, 0xFF)]
    [InlineData("short x=-2", "short", 2, 0xFFFE)]
    [InlineData("long x=-1", "long", 8, ulong.MaxValue)]
    [InlineData("int8_t x=1", "int8_t", 1, 1)]
    [InlineData("int16_t x=1", "int16_t", 2, 1)]
    [InlineData("int32_t x=1", "int32_t", 4, 1)]
    [InlineData("int64_t x=1", "int64_t", 8, 1)]
    [InlineData("uint8_t x=1", "uint8_t", 1, 1)]
    [InlineData("uint16_t x=1", "uint16_t", 2, 1)]
    [InlineData("uint32_t x=1", "uint32_t", 4, 1)]
    [InlineData("uint64_t x=0xffffffffffffffff", "uint64_t", 8, ulong.MaxValue)]
    [InlineData("uint64_t x", "uint64_t", 8, 0)]
    [InlineData("x=0x100000000", "int64_t", 8, 0x1_0000_0000)]
    [InlineData("intptr_t x=1", "intptr_t", 8, 1)]
    [InlineData("uintptr_t x=1", "uintptr_t", 8, 1)]
    public void A_location_has_a_type_and_a_value_cut_to_it(string entry, string type, int width, ulong value)
    {
        Variable variable = Assert.Single(LitmusText.Question(entry, "exists (x=0)").Variables);
        Assert.Equal(
            (type, width, value, false),
            (variable.Type.Name, variable.Type.Width, variable.InitialValues[0].Number, variable.IsArray)
        );
    }

    [Theory]
    [InlineData("movl $1,(x) ;", 4)]
    [InlineData("movb $1,(x) ;", 4)]
    [InlineData("movq $1,(x) ;", 8)]
    [InlineData("movzbl (x),%eax ;\nmovq (x),%rax ;", 8)]
    public void An_undeclared_location_is_an_int_or_as_wide_as_its_widest_access(string rows, int width) =>
        Assert.Equal(width, Assert.Single(LitmusText.Question("", "forall true", rows).Variables).Type.Width);

    [Fact]
    public void Arrays_have_elements_and_zeros_where_none_are_given()
    {
        LitmusTest test = LitmusText.Question(
            "int t[3]={1,-2,0x3}; uint64_t u[2]; v[2]={4,5}; w[1]={7}",
            "exists (t[1]=-2 /\\ u[0]=0 /\\ t={1,-2,3} /\\ w[0]=7)"
        );
        Assert.Equal([1UL, 0xFFFF_FFFEUL, 3UL], test.Variables[0].InitialValues.Select(value => value.Number));
        Assert.Equal([0UL, 0UL], test.Variables[1].InitialValues.Select(value => value.Number));
        Assert.True(test.Variables.All(variable => variable.IsArray));
        Assert.Equal([12, 16, 8, 4], test.Variables.Select(variable => variable.Size));
        Assert.Equal(
            ["t[0]", "t[1]", "t[2]", "u[0]", "w[0]"],
            test.Observables.Select(observable => observable.ToString())
        );
    }

    [Fact]
    public void Registers_and_memory_hold_numbers_and_addresses()
    {
        LitmusTest test = LitmusText.Question(
            "0:rax=1; P0:%rbx=-1; uint8_t 0:rcx=0x1ff; 0:rsi=x; 0:rdi=&t[1]; int t[2]; p=x; uint64_t 0:r8",
            "exists (p=&x /\\ 0:rsi=x /\\ 0:rdi=t[1])"
        );
        IReadOnlyDictionary<TestRegister, InitialValue> registers = test.Threads[0].InitialRegisters;
        Assert.Equal(new InitialValue(1), registers[X86_64Register.Rax.ToTest()]);
        Assert.Equal(new InitialValue(ulong.MaxValue), registers[X86_64Register.Rbx.ToTest()]);
        Assert.Equal(new InitialValue(0xFF), registers[X86_64Register.Rcx.ToTest()]);
        Assert.Equal(new InitialValue(0, "x"), registers[X86_64Register.Rsi.ToTest()]);
        Assert.Equal(new InitialValue(0, "t", 1), registers[X86_64Register.Rdi.ToTest()]);
        Assert.False(registers.ContainsKey(X86_64Register.R8.ToTest()));
        Assert.Equal(DataType.Pointer, test.Variables.Single(variable => variable.Name == "p").Type);
        var parts = Assert.IsType<Conjunction>(test.Condition);
        Assert.Equal(new InitialValue(0, "t", 1), Assert.IsType<EqualsValue>(parts.Parts[2]).Value);
    }

    [Theory]
    [InlineData("exists (x=1)", Quantifier.Exists)]
    [InlineData("~exists (x=1)", Quantifier.NotExists)]
    [InlineData("~ exists x=1", Quantifier.NotExists)]
    [InlineData("not exists (x=1)", Quantifier.NotExists)]
    [InlineData("forall (x=1);", Quantifier.ForAll)]
    [InlineData("final (x=1)", Quantifier.Exists)]
    [InlineData("(x=1)", Quantifier.Exists)]
    [InlineData("Exists (x=1)", Quantifier.Exists)]
    [InlineData("filter (x=1) exists (x=1)", Quantifier.Exists)]
    [InlineData("locations [x;] forall (x=1)", Quantifier.ForAll)]
    [InlineData("locations [x; 0:rax; y] filter x=1 ~exists (x=1)", Quantifier.NotExists)]
    public void The_question_has_a_quantifier(string condition, Quantifier quantifier) =>
        Assert.Equal(quantifier, LitmusText.Question("x; y", condition).Quantifier);

    [Theory]
    [InlineData("x=1 /\\ y=2 \\/ z=3", "[x]=1 /\\ [y]=2 \\/ [z]=3")]
    [InlineData("x=1 /\\ (y=2 \\/ z=3)", "[x]=1 /\\ ([y]=2 \\/ [z]=3)")]
    [InlineData("x=1 => y=2 => z=3", "[x]=1 => [y]=2 => [z]=3")]
    [InlineData("(x=1 => y=2) => z=3", "([x]=1 => [y]=2) => [z]=3")]
    [InlineData("not x=1 /\\ y=2", "not ([x]=1) /\\ [y]=2")]
    [InlineData("~(x=1 /\\ y=2)", "not ([x]=1 /\\ [y]=2)")]
    [InlineData("not not x=1", "not (not ([x]=1))")]
    [InlineData("x!=1", "not ([x]=1)")]
    [InlineData("x<>1", "not ([x]=1)")]
    [InlineData("x==1", "[x]=1")]
    [InlineData("*x=1", "[x]=1")]
    [InlineData("[x]=0x10", "[x]=16")]
    [InlineData("x=-1", "[x]=-1")]
    [InlineData("x=0xffffffff", "[x]=-1")]
    [InlineData("0:rax=0:rbx", "0:rax=0:rbx")]
    [InlineData("P0:rax=0:%rbx", "0:rax=0:rbx")]
    [InlineData("x=[y]", "[x]=[y]")]
    [InlineData("0:rax=[y]", "0:rax=[y]")]
    [InlineData("true", "true")]
    [InlineData("false \\/ true", "false \\/ true")]
    [InlineData("t={1,2}", "t[0]=1 /\\ t[1]=2")]
    public void A_condition_prints_as_herd_prints_it_and_means_the_same_again(string condition, string printed)
    {
        const string Initial = "x; y; z; int t[2]";
        LitmusTest test = LitmusText.Question(Initial, $"exists ( {condition})");
        Assert.Equal(printed, test.Condition.Format(test));
        LitmusTest again = LitmusText.Question(Initial, $"exists ({printed})");
        Assert.Equal(printed, again.Condition.Format(again));
    }

    [Theory]
    [InlineData("x=1 /\\ y=1 \\/ z=1", 5)]
    [InlineData("x=1 /\\ (y=1 \\/ z=1)", 3)]
    [InlineData("x=1 => y=1 => z=1", 7)]
    [InlineData("(x=1 => y=1) => z=1", 5)]
    [InlineData("not x=1 /\\ y=1", 2)]
    [InlineData("not (x=1 /\\ y=1)", 6)]
    [InlineData("x!=y", 8)]
    [InlineData("x=[y]", 4)]
    [InlineData("x=[y] /\\ [y]=[z]", 2)]
    [InlineData("true", 8)]
    [InlineData("false", 0)]
    public void A_condition_is_true_of_as_many_of_the_eight_outcomes_as_logic_says(string condition, int expected)
    {
        // "x!=y" compares x with the address of y, which no int can hold: only a pointer may be asked that.
        string initial = condition == "x!=y" ? "uint64_t x; y; z" : "x; y; z";
        LitmusTest test = LitmusText.Question(initial, $"locations [x;y;z] exists ({condition})");
        var layout = new MemoryLayout(test.Variables);
        int holds = Enumerable
            .Range(0, 8)
            .Count(bits =>
                test.Condition.Holds(
                    new Outcome([(ulong)bits & 1, ((ulong)bits >> 1) & 1, (ulong)bits >> 2]),
                    test,
                    layout
                )
            );
        Assert.Equal(expected, holds);
    }

    [Fact]
    public void Observables_are_in_herds_order_whatever_order_they_are_named_in()
    {
        LitmusTest test = LitmusText.Parse(
            "X86_64 T\n{ int t[2]; a; z; }\nP0 | P1 ;\nnop | nop ;\nlocations "
                + "[z; t; 1:rax; 0:r9; 0:rdi; 0:rbx; 0:rax; a]\nexists (0:rdx=0)"
        );
        Assert.Equal("0:rax 0:rbx 0:rdx 0:rdi 0:r9 1:rax [a] t[0] t[1] [z]", string.Join(' ', test.Observables));
    }

    [Fact]
    public void An_observed_register_is_as_wide_as_it_is_used_or_declared()
    {
        LitmusTest test = LitmusText.Question(
            "uint8_t 0:rdx; 0:rsi=x",
            "exists (0:rax=0 /\\ 0:rbx=0 /\\ 0:rcx=0 /\\ 0:rdx=0 /\\ 0:rsi=x)",
            "movl (x),%eax ;\nmovq (x),%rbx ;\nlock; cmpxchgl %edi,(x) ;"
        );
        Assert.Equal(
            ["int", "int64_t", "int64_t", "uint8_t", "void*"],
            test.Observables.Select(observable => observable.Type.Name)
        );
    }

    [Fact]
    public void A_byte_order_mark_and_windows_line_ends_are_white_space()
    {
        LitmusTest test = LitmusText.Parse(
            "\uFEFFX86_64 T\r\n\"d\"\r\nKey=value\r\n{ x=1; }\r\n P0 ;\r\n movl $1,(x) ;\r\nexists (x=1)\r\n"
        );
        Assert.Equal(("T", "d", "value"), (test.Name, test.Description, test.Properties["Key"]));
    }

    [Fact]
    public void Without_a_condition_everything_is_asked_of_every_state()
    {
        LitmusTest test = LitmusText.Question("x", "");
        Assert.Equal(Quantifier.ForAll, test.Quantifier);
        Assert.Equal("true", test.Condition.Format(test));
    }
}
